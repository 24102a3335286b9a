package dev.lethe.strategy;

import dev.lethe.engine.ParameterVector;

/**
 * A direction along which the forget loss is expected to rise. One file an implementation: add a strategy by adding one.
 * Not thread-safe; used on the erasing thread.
 */
interface AscentDirection {
    /** Overwrites {@code out} with the direction at the weights of now. A calibrated step gives it a length of its own. */
    void compute(ParameterVector out);

    /** Whether {@link #compute} gives another vector once the weights have moved. */
    boolean followsWeights();

    /** What makes of the computed vector the one that a fixed rate multiplies: a mean of gradients, not their sum. */
    double unit();
}
