package dev.lethe.solve;

import dev.lethe.LetheException;
import dev.lethe.engine.ParameterVector;
import dev.lethe.solve.ConjugateGradient.EarlyStop;
import java.util.Locale;

/**
 * What a solver of A x = b ended with. Owns x: close it.
 *
 * @param x          the last iterate; of use also when not converged, to those who asked for it
 * @param stop       why it ended
 * @param iterations operator applications that moved x
 * @param residual   the last ||b - A x|| / ||b||
 * @param reason     the stop in words, with numbers and what to try; empty when converged
 */
public record Solution(ParameterVector x, Stop stop, int iterations, double residual, String reason)
        implements AutoCloseable {

    /** Whether the tolerance was reached, or whoever asked wanted no more. */
    public boolean converged() {
        return stop == Stop.CONVERGED || stop == Stop.SETTLED;
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
                "%s did not converge: relative residual %.3g after %d iterations: %s", solver, residual, iterations,
                reason), stop);
    }

    static void require(boolean holds, String what, Object value, String allowed) {
        if (!holds) {
            throw new IllegalArgumentException(what + " is " + value + ", must be " + allowed);
        }
    }

    /** A solver did not reach its tolerance. The message names the measure, the iterations, the reason and what to try. */
    public static final class NotConvergedException extends LetheException {
        private static final long serialVersionUID = 1;

        private final Stop stop;

        NotConvergedException(String message, Stop stop) {
            super(Code.INPUT, message, null);
            this.stop = stop;
        }

        public Stop stop() {
            return stop;
        }
    }

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
        /** A number is not finite, the preconditioner not positive definite, or the precision allows no more progress. */
        BREAKDOWN
    }
}
