package dev.lethe.model;

import dev.lethe.engine.ModelShape;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * The names and shapes a GPT-2 checkpoint of given sizes must have, without the {@code transformer.} prefix that some
 * files put before them. Matrices are [inputs, outputs] (transformers' Conv1D), except the two tables and the head.
 */
final class Gpt2Tensors {
    static final String PREFIX = "transformer.";
    static final String TOKEN_TABLE = "wte.weight";
    static final String HEAD = "lm_head.weight";

    /** Causal masks that old files carry beside the parameters; they hold nothing to learn. */
    private static final Pattern MASK = Pattern.compile("h\\.\\d+\\.attn\\.(bias|masked_bias)");

    private Gpt2Tensors() {
    }

    /** Name to shape, in the engine's order; the head only when it is a tensor of its own. */
    static Map<String, List<Long>> expected(ModelShape shape) {
        long c = shape.channels();
        Map<String, List<Long>> expected = new LinkedHashMap<>();
        expected.put(TOKEN_TABLE, List.of(shape.vocabulary(), c));
        expected.put("wpe.weight", List.of(shape.context(), c));
        for (long layer = 0; layer < shape.layers(); layer++) {
            String block = "h." + layer + ".";
            norm(expected, block + "ln_1", c);
            linear(expected, block + "attn.c_attn", c, 3 * c);
            linear(expected, block + "attn.c_proj", c, c);
            norm(expected, block + "ln_2", c);
            linear(expected, block + "mlp.c_fc", c, shape.inner());
            linear(expected, block + "mlp.c_proj", shape.inner(), c);
        }
        norm(expected, "ln_f", c);
        if (!shape.tiedHead()) {
            expected.put(HEAD, List.of(shape.vocabulary(), c));
        }
        return expected;
    }

    /** The name without its prefix. */
    static String plain(String name) {
        return name.startsWith(PREFIX) ? name.substring(PREFIX.length()) : name;
    }

    /** The name transformers' GPT2LMHeadModel writes. */
    static String written(String plain) {
        return plain.equals(HEAD) ? plain : PREFIX + plain;
    }

    static boolean isMask(String plain) {
        return MASK.matcher(plain).matches();
    }

    private static void norm(Map<String, List<Long>> expected, String name, long width) {
        expected.put(name + ".weight", List.of(width));
        expected.put(name + ".bias", List.of(width));
    }

    private static void linear(Map<String, List<Long>> expected, String name, long inputs, long outputs) {
        expected.put(name + ".weight", List.of(inputs, outputs));
        expected.put(name + ".bias", List.of(outputs));
    }
}
