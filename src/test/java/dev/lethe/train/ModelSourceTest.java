package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lethe.base.BadInputException;
import dev.lethe.settings.ModelSource;
import dev.lethe.shape.Block;
import dev.lethe.shape.Block.Activation;
import dev.lethe.shape.Block.Family;
import dev.lethe.shape.Block.Option;
import dev.lethe.shape.Block.Rotary;
import dev.lethe.shape.ModelShape;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ModelSourceTest {

    @Test
    void readsShapes() {
        assertEquals(ModelSource.fresh(ModelShape.gpt2(12, 768, 12, 1024)), ModelSource.parse("gpt2"));
        assertEquals(ModelSource.fresh(ModelShape.gpt2(4, 256, 4, 128)),
                ModelSource.parse("gpt2:layers=4,hidden=256,heads=4,ctx=128"));
        assertEquals(ModelSource.fresh(ModelShape.gpt2(12, 128, 2, 1024)), ModelSource.parse(" gpt2: hidden = 128 "));
        assertEquals(ModelSource.fresh(new ModelShape(50304, 64, 32, 1, 1, 128, 1e-5, true)),
                ModelSource.parse("gpt2:layers=1,hidden=32,ctx=64,vocab=50304"));
    }

    /** What is left out is the family's: widths of a gated MLP, epsilons, how much of a head turns, whose head is tied. */
    @Test
    void readsFamilies() {
        Set<Option> bare = Set.of(Option.NO_QKV_BIAS, Option.NO_OUTPUT_BIAS, Option.NO_MLP_BIAS);
        Block llama = new Block(Family.LLAMA, Activation.SILU, 2, 0, Rotary.plain(64, 10000), bare);
        assertEquals(ModelSource.fresh(new ModelShape(50257, 128, 256, 4, 4, 688, 1e-6, true, llama)),
                ModelSource.parse("llama:layers=4,hidden=256,heads=4,kv=2,ctx=128"));
        Block qwen3 = new Block(Family.LLAMA, Activation.SILU, 0, 16, Rotary.plain(16, 10000), Set.of(Option.NO_QKV_BIAS,
                Option.NO_OUTPUT_BIAS, Option.NO_MLP_BIAS, Option.HEAD_NORM));
        assertEquals(ModelSource.fresh(new ModelShape(300, 1024, 96, 4, 1, 100, 1e-6, false, qwen3)),
                ModelSource.parse("qwen3:layers=1,hidden=96,heads=4,head=16,inner=100,vocab=300,untied"));
        Block qwen2 = new Block(Family.LLAMA, Activation.SILU, 0, 0, Rotary.plain(64, 10000),
                Set.of(Option.NO_OUTPUT_BIAS, Option.NO_MLP_BIAS));
        assertEquals(ModelSource.fresh(new ModelShape(50257, 1024, 64, 1, 12, 176, 1e-6, true, qwen2)),
                ModelSource.parse("qwen2:hidden=64"));
        Block neox = new Block(Family.GPT_NEOX, Activation.GELU, 0, 0, Rotary.plain(16, 10000), Set.of(Option.PARALLEL));
        assertEquals(ModelSource.fresh(new ModelShape(50257, 1024, 128, 2, 12, 512, 1e-5, false, neox)),
                ModelSource.parse("pythia:hidden=128"));
        assertEquals(ModelSource.parse("pythia:hidden=128"), ModelSource.parse("gpt_neox:hidden=128"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', value = {
        "gpt3               | 'gpt3' is not a known architecture; known are gpt2, llama, qwen2, qwen3, gpt_neox (pythia)",
        "gpt2:              | nothing follows the colon",
        "gpt2:layers        | 'layers' is neither name=number nor tied or untied",
        "gpt2:layers=2,     | '' is neither name=number nor tied or untied",
        "gpt2:layers=two    | 'layers=two' needs a whole number from 1 to 2147483647",
        "gpt2:layers=0      | 'layers=0' needs a whole number from 1 to 2147483647",
        "gpt2:depth=2       | 'depth' is not one of layers, hidden, heads, kv, head, inner, ctx, vocab, tied, untied",
        "gpt2:ctx=8,ctx=9   | 'ctx' is given twice",
        "gpt2:kv=2          | kv is not an option of gpt2",
        "pythia:head=8      | head is not an option of gpt_neox",
        "qwen2:tied,untied  | it is both tied and untied",
        "llama:heads=6,hidden=12,kv=4 | model shape: heads 6 is not divisible by heads of keys and values 4",
        "gpt2:hidden=10,heads=3 | model shape: channels 10 is not divisible by heads 3",
    })
    void namesTheOffendingPart(String text, String problem) {
        assertEquals("model '" + text + "': " + problem
                + "; write gpt2 or for example llama:layers=4,hidden=256,heads=4,kv=2,ctx=128",
                assertThrows(BadInputException.class, () -> ModelSource.parse(text)).getMessage());
    }
}
