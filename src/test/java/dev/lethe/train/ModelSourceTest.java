package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.ModelShape;
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

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', value = {
        "gpt3               | 'gpt3' is not a known architecture, only gpt2 is",
        "gpt2:              | nothing follows the colon",
        "gpt2:layers        | 'layers' is neither name=number nor untied",
        "gpt2:layers=2,     | '' is neither name=number nor untied",
        "gpt2:layers=two    | 'layers=two' needs a whole number from 1 to 2147483647",
        "gpt2:layers=0      | 'layers=0' needs a whole number from 1 to 2147483647",
        "gpt2:depth=2       | 'depth' is not one of layers, hidden, heads, ctx, vocab, untied",
        "gpt2:ctx=8,ctx=9   | 'ctx' is given twice",
        "gpt2:hidden=10,heads=3 | model shape: channels 10 is not divisible by heads 3",
    })
    void namesTheOffendingPart(String text, String problem) {
        assertEquals("model '" + text + "': " + problem
                + "; write gpt2 or for example gpt2:layers=4,hidden=256,heads=4,ctx=128",
                assertThrows(BadInputException.class, () -> ModelSource.parse(text)).getMessage());
    }
}
