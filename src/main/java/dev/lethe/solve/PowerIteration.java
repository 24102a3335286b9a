/*
 * Power iteration: the eigenvalue of largest magnitude and its vector, with two vectors of memory. Slow where the first
 * two magnitudes are near; Lanczos needs far fewer products for the values alone.
 */
package dev.lethe.solve;

import dev.lethe.engine.ParameterVector;
import dev.lethe.solve.Solution.NotConvergedException;
import dev.lethe.solve.Solution.Stop;
import java.util.Locale;

/** Power iteration. Immutable; runs on the vectors' thread. */
public final class PowerIteration {
    private final double tolerance;
    private final int maxIterations;
    private final SolverListener listener;

    /**
     * @param tolerance     of ||A v - value v|| / |value|
     * @param maxIterations at least 1
     */
    public PowerIteration(double tolerance, int maxIterations, SolverListener listener) {
        Iterations.require(tolerance > 0 && tolerance < 1, "tolerance", tolerance, "between 0 and 1");
        Iterations.require(maxIterations >= 1, "maxIterations", maxIterations, "at least 1");
        this.tolerance = tolerance;
        this.maxIterations = maxIterations;
        this.listener = listener;
    }

    /**
     * @param start a vector with a share of the eigenvector, as a random one has; left as it is
     * @throws NotConvergedException naming the residual, the iterations and what to try
     */
    public Eigenpair solve(LinearOperator operator, ParameterVector start) {
        Eigenpair pair = attempt(operator, start);
        if (pair.converged()) {
            return pair;
        }
        pair.close();
        double residual = pair.residuals()[pair.residuals().length - 1];
        throw new NotConvergedException(String.format(Locale.ROOT, "power iteration did not converge: relative residual"
                + " %.3g at eigenvalue %.6g after %d iterations: allow more, or use Lanczos (two eigenvalues may be of"
                + " nearly one magnitude)", residual, pair.value(), pair.iterations()),
                Double.isFinite(residual) ? Stop.ITERATIONS : Stop.BREAKDOWN, pair.iterations(), residual);
    }

    /** As {@link #solve}, but a pair that did not converge is returned: look at {@link Eigenpair#converged()}. */
    public Eigenpair attempt(LinearOperator operator, ParameterVector start) {
        double length = start.norm();
        Iterations.require(length > 0 && Double.isFinite(length), "the start vector's norm", length, "above 0, finite");
        Iterations history = new Iterations("power iteration", listener);
        ParameterVector v = start.copy();
        try (ParameterVector product = start.zeros()) {
            v.scale(1 / length);
            double value = 0;
            for (int iteration = 1; iteration <= maxIterations; iteration++) {
                history.checkInterrupt();
                operator.apply(v, product);
                value = v.dot(product);
                double norm = product.norm();
                if (norm == 0) { // the start lies in the null space
                    history.note(iteration, 0);
                    return new Eigenpair(0, v, true, iteration, history.measures());
                }
                product.combine(1, -value, v);
                double residual = product.norm() / Math.abs(value);
                history.note(iteration, residual);
                if (residual <= tolerance || !Double.isFinite(norm)) {
                    return new Eigenpair(value, v, residual <= tolerance, iteration, history.measures());
                }
                v.combine(value / norm, 1 / norm, product); // A v / ||A v||, from its parts along v and across
            }
            return new Eigenpair(value, v, false, maxIterations, history.measures());
        } catch (Throwable e) {
            v.close();
            throw e;
        }
    }

    /**
     * An eigenvalue and its vector. Owns the vector: close it.
     *
     * @param value      Rayleigh quotient of the vector
     * @param vector     of norm 1
     * @param converged  whether the residual reached the tolerance
     * @param iterations products made
     * @param residuals  ||A v - value v|| / |value| after 1, 2, ... iterations
     */
    public record Eigenpair(double value, ParameterVector vector, boolean converged, int iterations, double[] residuals)
            implements AutoCloseable {
        @Override
        public void close() {
            vector.close();
        }
    }
}
