package dev.lethe.solve;

/** Why an iteration ended. */
public enum Stop {
    /** The tolerance was reached. */
    CONVERGED,
    /** An {@link EarlyStop} took the iterate as it was. */
    SETTLED,
    /** The iterations allowed are used up. */
    ITERATIONS,
    /** A direction along which the damped operator is not positive was met: it has no inverse that CG could find. */
    NEGATIVE_CURVATURE,
    /** The iterates grow without bound. */
    DIVERGED,
    /** A number is not finite, the preconditioner not positive definite, or the precision allows no more progress. */
    BREAKDOWN
}
