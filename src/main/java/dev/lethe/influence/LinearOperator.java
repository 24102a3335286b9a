package dev.lethe.influence;

import dev.lethe.engine.ParameterVector;

/**
 * A symmetric linear map of one model's parameter space: a Hessian, a Gauss-Newton matrix, an inverse that
 * preconditions. Used by one thread at a time, the vectors'.
 */
@FunctionalInterface
public interface LinearOperator {

    /** out = A in. {@code out} is another vector than {@code in}; what it held before does not matter. */
    void apply(ParameterVector in, ParameterVector out);
}
