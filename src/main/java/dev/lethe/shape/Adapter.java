package dev.lethe.shape;

/**
 * A LoRA adapter on one linear module of a frozen base: y = x W + b + scale (x A) B, A [inputs, rank], B [rank, outputs]
 * (Hu et al. 2021, arXiv 2106.09685).
 *
 * @param module the name of the module's weight without {@code .weight}: "layers.0.self_attn.q_proj", "h.0.attn.c_attn"
 * @param rank   1 to the smaller side of the weight
 * @param scale  alpha / rank, or alpha / root of rank
 */
public record Adapter(String module, long rank, double scale) {
    /** @throws IllegalArgumentException when the rank is below 1 or the scale not finite */
    public Adapter {
        if (rank < 1 || !Double.isFinite(scale)) {
            throw new IllegalArgumentException("adapter on " + module + ": rank " + rank + " and scale " + scale
                    + "; the rank must be 1 or more, the scale finite");
        }
    }
}
