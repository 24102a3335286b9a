package dev.lethe.solve;

import dev.lethe.engine.ParameterVector;

/** Asked after every iteration whether x will do already. */
@FunctionalInterface
public interface EarlyStop {
    /** The residual alone decides. */
    EarlyStop NEVER = (iteration, residual, x) -> false;

    /**
     * @param iteration counts from 1
     * @param residual  relative, above the tolerance
     * @param x         the iterate, left as it is
     */
    boolean enough(int iteration, double residual, ParameterVector x);
}
