/* The short form of a new model's shape: "llama:layers=4,hidden=256,heads=4,kv=2,inner=688,ctx=128". */
package dev.lethe.settings;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.engine.ModelLayout;
import dev.lethe.shape.Block;
import dev.lethe.shape.Block.Activation;
import dev.lethe.shape.Block.Family;
import dev.lethe.shape.Block.Option;
import dev.lethe.shape.Block.Rotary;
import dev.lethe.shape.ModelShape;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Reads it. Stateless, any thread. */
final class FreshShape {
    private static final Set<String> KINDS = Set.of("gpt2", "llama", "qwen2", "qwen3", "gpt_neox", "pythia");
    private static final List<String> NUMBERS = List.of("layers", "hidden", "heads", "kv", "head", "inner", "ctx", "vocab");
    private static final List<String> FLAGS = List.of("tied", "untied");
    private static final double ROTARY_BASE = 10_000;

    private final String text;
    private final String kind;
    private final Map<String, Long> options = new LinkedHashMap<>();

    private FreshShape(String text) {
        this.text = text;
        String[] halves = text.strip().split(":", 2);
        kind = halves[0].equals("pythia") ? "gpt_neox" : halves[0];
        if (!KINDS.contains(kind)) {
            throw bad("'" + kind + "' is not a known architecture; known are gpt2, llama, qwen2, qwen3, gpt_neox (pythia)");
        }
        if (halves.length == 2) {
            if (halves[1].isBlank()) {
                throw bad("nothing follows the colon");
            }
            for (String part : halves[1].split(",", -1)) {
                option(part.strip());
            }
        }
        if (options.containsKey("tied") && options.containsKey("untied")) {
            throw bad("it is both tied and untied");
        }
    }

    /** Whether a text is meant so, and not as a folder. */
    static boolean isMeant(String text) {
        return KINDS.contains(text.split(":", 2)[0]);
    }

    /** @throws BadInputException naming the part that is wrong */
    static ModelShape parse(String text) {
        FreshShape fresh = new FreshShape(text);
        ModelShape shape = fresh.shape();
        try {
            ModelLayout.of(shape);
            return shape;
        } catch (BadInputException e) {
            throw fresh.bad(Reason.of(e));
        }
    }

    private ModelShape shape() {
        boolean gpt2 = kind.equals("gpt2"), neox = kind.equals("gpt_neox");
        long hidden = number("hidden", 768);
        long heads = number("heads", Math.max(1, hidden / 64));
        long kv = number("kv", heads), head = number("head", 0);
        if ((gpt2 || neox) && (kv != heads || head != 0)) {
            throw bad((kv != heads ? "kv" : "head") + " is not an option of " + kind);
        }
        // A gated MLP has three matrices: with 8/3 of the width they are as large as the two of 4.
        long inner = number("inner", gpt2 || neox ? 4 * hidden : (hidden * 8 / 3 + 15) / 16 * 16);
        boolean tied = neox ? options.containsKey("tied") : !options.containsKey("untied");
        long size = head != 0 ? head : hidden / heads;
        Block block = gpt2 ? Block.GPT2 : neox ? neox(size) : llama(kv, head, size);
        try {
            return new ModelShape(number("vocab", ModelShape.GPT2_VOCABULARY), number("ctx", 1024), hidden, heads,
                    number("layers", 12), inner, gpt2 || neox ? 1e-5 : 1e-6, tied, block);
        } catch (IllegalArgumentException e) {
            throw bad(Reason.of(e));
        }
    }

    private Block llama(long kv, long head, long size) {
        Set<Option> options = EnumSet.of(Option.NO_QKV_BIAS, Option.NO_OUTPUT_BIAS, Option.NO_MLP_BIAS);
        if (kind.equals("qwen2")) {
            options.remove(Option.NO_QKV_BIAS);
        }
        if (kind.equals("qwen3")) {
            options.add(Option.HEAD_NORM);
        }
        return new Block(Family.LLAMA, Activation.SILU, kv, head, Rotary.plain(size, ROTARY_BASE), options);
    }

    /** A quarter of each head turns, as in Pythia; of a head too small for that, two numbers. */
    private static Block neox(long size) {
        return new Block(Family.GPT_NEOX, Activation.GELU, 0, 0, Rotary.plain(Math.max(2, size / 8 * 2), ROTARY_BASE),
                EnumSet.of(Option.PARALLEL));
    }

    private long number(String name, long otherwise) {
        return options.getOrDefault(name, otherwise);
    }

    private void option(String part) {
        String[] pair = (FLAGS.contains(part) ? part + "=1" : part).split("=", 2);
        String name = pair[0].strip();
        if (pair.length != 2) {
            throw bad("'" + part + "' is neither name=number nor tied or untied");
        }
        if (!NUMBERS.contains(name) && !FLAGS.contains(name)) {
            throw bad("'" + name + "' is not one of " + String.join(", ", NUMBERS) + ", tied, untied");
        }
        if (options.put(name, number(part, pair[1].strip())) != null) {
            throw bad("'" + name + "' is given twice");
        }
    }

    private long number(String part, String digits) {
        try {
            long value = Long.parseLong(digits);
            if (value >= 1 && value <= Integer.MAX_VALUE) {
                return value;
            }
        } catch (NumberFormatException e) {
            // told below, as a number out of range is
        }
        throw bad("'" + part + "' needs a whole number from 1 to " + Integer.MAX_VALUE);
    }

    private BadInputException bad(String problem) {
        return new BadInputException("model '" + text + "': " + problem
                + "; write gpt2 or for example llama:layers=4,hidden=256,heads=4,kv=2,ctx=128");
    }
}
