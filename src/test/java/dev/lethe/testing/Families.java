package dev.lethe.testing;

import dev.lethe.settings.ModelSource;
import dev.lethe.shape.Block;
import dev.lethe.shape.Block.Option;
import dev.lethe.shape.ModelShape;
import java.util.EnumSet;
import java.util.Set;

/** Two narrow blocks of every kind beside GPT-2: shared key heads, norms of heads, biases, both residuals. */
public final class Families {
    private Families() { }

    /** @param name llama, qwen2, sequential (tied), qwen3 (heads wider than the stream) or pythia (untied) */
    public static ModelShape of(String name, int vocabulary, int context) {
        String sizes = "layers=2,hidden=16,vocab=" + vocabulary + ",ctx=" + context;
        return switch (name) {
            case "llama" -> parse("llama:heads=4,kv=2,inner=24," + sizes);
            case "qwen2" -> parse("qwen2:heads=4,kv=1,inner=24," + sizes);
            case "qwen3" -> parse("qwen3:heads=4,kv=2,head=6,inner=24,untied," + sizes);
            case "pythia" -> parse("pythia:heads=2," + sizes);
            case "sequential" -> without(Option.PARALLEL, parse("gpt_neox:heads=2,tied," + sizes));
            default -> throw new IllegalArgumentException(name);
        };
    }

    private static ModelShape parse(String text) {
        return ((ModelSource.Fresh) ModelSource.parse(text)).shape();
    }

    private static ModelShape without(Option option, ModelShape shape) {
        Block block = shape.block();
        Set<Option> options = EnumSet.copyOf(block.options());
        options.remove(option);
        return with(shape, new Block(block.family(), block.activation(), block.kvHeads(), block.headSize(),
                block.rotary(),
                options));
    }

    public static ModelShape with(ModelShape shape, Block block) {
        return new ModelShape(shape.vocabulary(), shape.context(), shape.channels(), shape.heads(), shape.layers(),
                shape.inner(), shape.normEpsilon(), shape.tiedHead(), block);
    }
}
