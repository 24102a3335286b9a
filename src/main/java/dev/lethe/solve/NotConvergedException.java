package dev.lethe.solve;

import dev.lethe.LetheException;

/** A solver did not reach its tolerance. The message names the measure, the iterations, the reason and what to try. */
public final class NotConvergedException extends LetheException {
    private static final long serialVersionUID = 1;

    private final Stop stop;
    private final int iterations;
    private final double residual;

    NotConvergedException(String message, Stop stop, int iterations, double residual) {
        super(message);
        this.stop = stop;
        this.iterations = iterations;
        this.residual = residual;
    }

    public Stop stop() {
        return stop;
    }

    public int iterations() {
        return iterations;
    }

    /** The last measure: relative residual, standard error or change; NaN when there was none. */
    public double residual() {
        return residual;
    }
}
