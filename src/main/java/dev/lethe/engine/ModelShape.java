package dev.lethe.engine;

import java.util.ArrayList;
import java.util.List;

/**
 * The sizes of a GPT-2 model.
 *
 * @param vocabulary       V, rows of wte
 * @param context          rows of wpe; no record may be longer
 * @param channels         C, width of the residual stream, divisible by {@code heads}
 * @param heads            attention heads
 * @param layers           L, transformer blocks
 * @param inner            width of the MLP, 4C in GPT-2
 * @param layerNormEpsilon 1e-5 in GPT-2
 * @param tiedHead         whether lm_head shares wte
 */
public record ModelShape(long vocabulary, long context, long channels, long heads, long layers, long inner,
        double layerNormEpsilon, boolean tiedHead) {

    /** Rows of GPT-2's own token table. */
    public static final long GPT2_VOCABULARY = 50257;

    private static final long LARGEST = Integer.MAX_VALUE;

    /** @throws IllegalArgumentException listing every size that is out of range */
    public ModelShape {
        List<String> problems = new ArrayList<>();
        size(problems, "vocabulary", vocabulary);
        size(problems, "context", context);
        size(problems, "channels", channels);
        size(problems, "heads", heads);
        size(problems, "layers", layers);
        size(problems, "inner", inner);
        if (heads >= 1 && channels >= 1 && channels % heads != 0) {
            problems.add("channels " + channels + " is not divisible by heads " + heads);
        }
        if (!(layerNormEpsilon > 0 && layerNormEpsilon < 1)) {
            problems.add("layerNormEpsilon " + layerNormEpsilon + " is not between 0 and 1");
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException("model shape: " + String.join("; ", problems));
        }
    }

    /** GPT-2's proportions: its vocabulary, an MLP of four times {@code hidden}, epsilon 1e-5, a tied head. */
    public static ModelShape gpt2(long layers, long hidden, long heads, long context) {
        return new ModelShape(GPT2_VOCABULARY, context, hidden, heads, layers, 4 * hidden, 1e-5, true);
    }

    private static void size(List<String> problems, String name, long value) {
        if (value < 1 || value > LARGEST) {
            problems.add(name + " " + value + " is not between 1 and " + LARGEST);
        }
    }
}
