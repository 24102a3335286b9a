package dev.lethe.shape;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The sizes of a model, and what its blocks are made of.
 *
 * @param vocabulary  V, rows of the token table
 * @param context     rows of learned positions; no record may be longer
 * @param channels    C, width of the residual stream
 * @param heads       attention heads
 * @param layers      L, transformer blocks
 * @param inner       width of the MLP, 4C in GPT-2
 * @param normEpsilon of every norm, 1e-5 in GPT-2
 * @param tiedHead    whether the head shares the token table
 * @param block       null becomes {@link Block#GPT2}; head counts and sizes that are what 0 stands for become 0
 * @param adapters    with any, they are all that is trained and the model's other weights are a {@code Base}'s; at most one a
 *                    module; null becomes none
 */
public record ModelShape(long vocabulary, long context, long channels, long heads, long layers, long inner,
        double normEpsilon, boolean tiedHead, Block block, List<Adapter> adapters) {

    /** Rows of GPT-2's own token table. */
    public static final long GPT2_VOCABULARY = 50257;

    private static final long LARGEST = Integer.MAX_VALUE;

    /**
     * Validates, and fills in what is left out.
     *
     * @throws IllegalArgumentException listing every size that is out of range
     */
    public ModelShape {
        block = block == null ? Block.GPT2 : block;
        adapters = adapters == null ? List.of() : List.copyOf(adapters);
        List<String> problems = new ArrayList<>();
        size(problems, "vocabulary", vocabulary);
        size(problems, "context", context);
        size(problems, "channels", channels);
        size(problems, "heads", heads);
        size(problems, "layers", layers);
        size(problems, "inner", inner);
        if (heads >= 1 && channels >= 1 && block.headSize() == 0 && channels % heads != 0) {
            problems.add("channels " + channels + " is not divisible by heads " + heads);
        }
        if (heads >= 1 && block.kvHeads() != 0 && (block.kvHeads() < 0 || heads % block.kvHeads() != 0)) {
            problems.add("heads " + heads + " is not divisible by heads of keys and values " + block.kvHeads());
        }
        if (!(normEpsilon > 0 && normEpsilon < 1)) {
            problems.add("normEpsilon " + normEpsilon + " is not between 0 and 1");
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException("model shape: " + String.join("; ", problems));
        }
        block = block.plain(channels, heads);
    }

    /**
     * Without adapters.
     *
     * @param vocabulary token ids
     * @param context tokens
     * @param channels width
     * @param heads of attention
     * @param layers blocks
     * @param inner width inside the MLP
     * @param normEpsilon added to variances
     * @param tiedHead whether the head is the embedding's table
     * @param block what a block is made of, or null for GPT-2's
     */
    public ModelShape(long vocabulary, long context, long channels, long heads, long layers, long inner,
            double normEpsilon, boolean tiedHead, Block block) {
        this(vocabulary, context, channels, heads, layers, inner, normEpsilon, tiedHead, block, List.of());
    }

    /**
     * Of a GPT-2 as published.
     *
     * @param vocabulary token ids
     * @param context tokens
     * @param channels width
     * @param heads of attention
     * @param layers blocks
     * @param inner width inside the MLP
     * @param normEpsilon added to variances
     * @param tiedHead whether the head is the embedding's table
     */
    public ModelShape(long vocabulary, long context, long channels, long heads, long layers, long inner,
            double normEpsilon, boolean tiedHead) {
        this(vocabulary, context, channels, heads, layers, inner, normEpsilon, tiedHead, Block.GPT2);
    }

    /**
     * GPT-2's proportions: its vocabulary, an MLP of four times {@code hidden}, epsilon 1e-5, a tied head.
     *
     * @param layers blocks
     * @param hidden width
     * @param heads of attention
     * @param context tokens
     * @return the shape
     */
    public static ModelShape gpt2(long layers, long hidden, long heads, long context) {
        return new ModelShape(GPT2_VOCABULARY, context, hidden, heads, layers, 4 * hidden, 1e-5, true);
    }

    /**
     * {@return the same with a head that shares the token table, or has one of its own}
     *
     * @param tied whether the head is the embedding's table
     */
    public ModelShape withTiedHead(boolean tied) {
        return new ModelShape(vocabulary, context, channels, heads, layers, inner, normEpsilon, tied, block, adapters);
    }

    /**
     * {@return the same with these adapters in place of any it has}
     *
     * @param others the adapters
     */
    public ModelShape withAdapters(List<Adapter> others) {
        return new ModelShape(vocabulary, context, channels, heads, layers, inner, normEpsilon, tiedHead, block, others);
    }

    /** {@return whether adapters are all that is trained} */
    public boolean hasAdapters() {
        return !adapters.isEmpty();
    }

    /** {@return in words: "llama, 4 layers, 256 wide, 4 heads (2 of keys and values), context 128"} */
    public String summary() {
        String shared = block.kvHeads() == 0 ? "" : " (" + block.kvHeads() + " of keys and values)";
        return block.family().name().toLowerCase(Locale.ROOT) + ", " + layers + " layers, " + channels + " wide, "
                + heads + " heads" + shared + ", context " + context + (hasAdapters() ? ", " + adapters.size()
                + " modules adapted by rank " + ranks() : "");
    }

    private String ranks() {
        long least = adapters.stream().mapToLong(Adapter::rank).min().orElse(0);
        long most = adapters.stream().mapToLong(Adapter::rank).max().orElse(0);
        return least == most ? String.valueOf(least) : least + " to " + most;
    }

    private static void size(List<String> problems, String name, long value) {
        if (value < 1 || value > LARGEST) {
            problems.add(name + " " + value + " is not between 1 and " + LARGEST);
        }
    }

    /**
     * A LoRA adapter on one linear module of a frozen base: y = x W + b + scale (x A) B, A [inputs, rank], B [rank, outputs]
     * (Hu et al. 2021, arXiv 2106.09685).
     *
     * @param module the name of the module's weight without {@code .weight}: "layers.0.self_attn.q_proj", "h.0.attn.c_attn"
     * @param rank   1 to the smaller side of the weight
     * @param scale  alpha / rank, or alpha / root of rank
     */
    public record Adapter(String module, long rank, double scale) {
        /**
     * Validates.
     *
     * @throws IllegalArgumentException when the rank is below 1 or the scale not finite
     */
        public Adapter {
            if (rank < 1 || !Double.isFinite(scale)) {
                throw new IllegalArgumentException("adapter on " + module + ": rank " + rank + " and scale " + scale
                        + "; the rank must be 1 or more, the scale finite");
            }
        }
    }
}
