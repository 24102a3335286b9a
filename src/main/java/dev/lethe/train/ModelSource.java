/*
 * Where a training's weights come from: a Hugging Face folder, or a fresh GPT-2 of a given shape. Also reads the short
 * form "gpt2:layers=4,hidden=256,heads=4,ctx=128". Loading itself is the model package's.
 */
package dev.lethe.train;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.ModelShape;
import dev.lethe.engine.Reason;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** A checkpoint folder or a fresh shape. Immutable, any thread. */
public sealed interface ModelSource {

    /** A Hugging Face GPT-2 folder; its tokenizer is used and copied into the run. */
    record Pretrained(Path folder) implements ModelSource { }

    /** Random weights; {@code tokenizer} is a folder with tokenizer files, or null for GPT-2's own. */
    record Fresh(ModelShape shape, Path tokenizer) implements ModelSource { }

    static ModelSource checkpoint(Path folder) {
        return new Pretrained(folder);
    }

    static ModelSource fresh(ModelShape shape) {
        return new Fresh(shape, null);
    }

    /** Where a run's weights came from. */
    static ModelSource of(RunInfo.Source source) {
        return source.checkpoint() != null ? new Pretrained(Path.of(source.checkpoint()))
                : new Fresh(source.shape(), source.tokenizer() == null ? null : Path.of(source.tokenizer()));
    }

    /**
     * Reads {@code gpt2} (124M parameters) or {@code gpt2:layers=..,hidden=..,heads=..,ctx=..,vocab=..,untied}; what is left
     * out stays as in GPT-2, heads as hidden/64. {@code untied} gives the head a table of its own.
     *
     * @throws BadInputException naming the part that is wrong
     */
    static ModelSource parse(String text) {
        String[] halves = text.strip().split(":", 2);
        if (!halves[0].equals("gpt2")) {
            throw bad(text, "'" + halves[0] + "' is not a known architecture, only gpt2 is");
        }
        Map<String, Long> options = options(text, halves.length == 2 ? halves[1] : "");
        long hidden = options.getOrDefault("hidden", 768L);
        long heads = options.getOrDefault("heads", Math.max(1, hidden / 64));
        long vocabulary = options.getOrDefault("vocab", 50_257L);
        try {
            return fresh(new ModelShape(vocabulary, options.getOrDefault("ctx", 1024L), hidden, heads,
                    options.getOrDefault("layers", 12L), 4 * hidden, 1e-5,
                    !options.containsKey("untied")));
        } catch (IllegalArgumentException | BadInputException e) {
            throw bad(text, Reason.of(e));
        }
    }

    private static Map<String, Long> options(String text, String list) {
        Map<String, Long> options = new LinkedHashMap<>();
        if (list.isBlank()) {
            if (text.contains(":")) {
                throw bad(text, "nothing follows the colon");
            }
            return options;
        }
        for (String part : list.split(",", -1)) {
            String[] pair = (part.strip().equals("untied") ? "untied=1" : part.strip()).split("=", 2);
            if (pair.length != 2) {
                throw bad(text, "'" + part.strip() + "' is neither name=number nor untied");
            }
            switch (pair[0].strip()) {
                case "layers", "hidden", "heads", "ctx", "vocab", "untied" -> { }
                default -> throw bad(text,
                        "'" + pair[0].strip() + "' is not one of layers, hidden, heads, ctx, vocab, untied");
            }
            if (options.put(pair[0].strip(), number(text, part.strip(), pair[1].strip())) != null) {
                throw bad(text, "'" + pair[0].strip() + "' is given twice");
            }
        }
        return options;
    }

    private static long number(String text, String part, String digits) {
        try {
            long value = Long.parseLong(digits);
            if (value >= 1 && value <= Integer.MAX_VALUE) {
                return value;
            }
        } catch (NumberFormatException e) {
            // told below, as a number out of range is
        }
        throw bad(text, "'" + part + "' needs a whole number from 1 to " + Integer.MAX_VALUE);
    }

    private static BadInputException bad(String text, String problem) {
        return new BadInputException("model '" + text + "': " + problem
                + "; write gpt2 or for example gpt2:layers=4,hidden=256,heads=4,ctx=128");
    }
}
