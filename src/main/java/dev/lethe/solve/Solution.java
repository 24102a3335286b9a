package dev.lethe.solve;

import dev.lethe.engine.ParameterVector;
import java.util.Locale;

/**
 * What a solver of A x = b ended with. Owns x: close it.
 *
 * @param x          the last iterate; of use also when not converged, to those who asked for it
 * @param stop       why it ended
 * @param iterations operator applications that moved x
 * @param residuals  ||b - A x|| / ||b|| after 0, 1, ... iterations
 * @param reason     the stop in words, with numbers and what to try; empty when converged
 */
public record Solution(ParameterVector x, Stop stop, int iterations, double[] residuals, String reason)
        implements AutoCloseable {

    /** Whether the tolerance was reached, or whoever asked wanted no more. */
    public boolean converged() {
        return stop == Stop.CONVERGED || stop == Stop.SETTLED;
    }

    /** The last relative residual. */
    public double residual() {
        return residuals[residuals.length - 1];
    }

    @Override
    public void close() {
        x.close();
    }

    /** This, when it converged; else closes it and throws. */
    Solution required(String solver) {
        if (converged()) {
            return this;
        }
        close();
        throw new NotConvergedException(String.format(Locale.ROOT,
                "%s did not converge: relative residual %.3g after %d iterations: %s", solver, residual(), iterations,
                reason), stop, iterations, residual());
    }
}
