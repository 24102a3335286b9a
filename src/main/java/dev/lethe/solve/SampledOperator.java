package dev.lethe.solve;

import dev.lethe.engine.ParameterVector;

/** An operator known by unbiased samples, as a Hessian by its batches: the mean over all draws is the operator. */
@FunctionalInterface
public interface SampledOperator {

    /** out = A_draw in; the same draw gives the same sample. {@code out} is another vector than {@code in}. */
    void apply(long draw, ParameterVector in, ParameterVector out);

    /** Every draw is the whole operator. */
    static SampledOperator whole(LinearOperator operator) {
        return (draw, in, out) -> operator.apply(in, out);
    }
}
