/*
 * Lanczos (1950) for the smallest and the largest eigenvalue of a symmetric operator. With a basis every new vector is
 * made orthogonal to all before it (twice, in the spirit of Parlett 1980), which takes a vector of memory an iteration;
 * without, three vectors suffice: eigenvalues then come in copies, but the extreme ones and their bounds stay right
 * (Paige 1976). Leaves out eigenvectors: power iteration gives the dominant one.
 */
package dev.lethe.solve;

import dev.lethe.engine.Engine;
import dev.lethe.engine.ParameterVector;
import dev.lethe.solve.Solution.NotConvergedException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Lanczos' iteration. Immutable; runs on the vectors' thread. */
public final class Lanczos {
    private static final double EXHAUSTED = 1e-12; // of the operator's norm: the next vector is rounding

    private final double tolerance;
    private final int maxIterations;
    private final boolean keepBasis;
    private final SolverListener listener;

    /**
     * @param tolerance     of both values' error bounds over the larger magnitude of the two
     * @param maxIterations at least 1
     * @param keepBasis     orthogonalise against every vector before: a vector of memory an iteration
     */
    public Lanczos(double tolerance, int maxIterations, boolean keepBasis, SolverListener listener) {
        Iterations.require(tolerance > 0 && tolerance < 1, "tolerance", tolerance, "between 0 and 1");
        Iterations.require(maxIterations >= 1, "maxIterations", maxIterations, "at least 1");
        this.tolerance = tolerance;
        this.maxIterations = maxIterations;
        this.keepBasis = keepBasis;
        this.listener = listener;
    }

    /**
     * The extremes of the spectrum that {@code start} has a share in: zero it outside a block to look at that block.
     *
     * @throws NotConvergedException naming the error bounds, the iterations and what to try
     */
    public Spectrum extremes(LinearOperator operator, ParameterVector start) {
        Spectrum spectrum = attempt(operator, start);
        if (spectrum.converged()) {
            return spectrum;
        }
        double error = Math.max(spectrum.smallestError(), spectrum.largestError());
        throw new NotConvergedException(String.format(Locale.ROOT, "Lanczos did not converge: eigenvalues %.6g (error"
                + " %.2g) and %.6g (error %.2g) after %d iterations: allow more iterations or a larger tolerance",
                spectrum.smallest(), spectrum.smallestError(), spectrum.largest(), spectrum.largestError(),
                spectrum.iterations()), Double.isFinite(error) ? Solution.Stop.ITERATIONS : Solution.Stop.BREAKDOWN,
                spectrum.iterations(), error);
    }

    /** As {@link #extremes}, but values that did not converge are returned: look at {@link Spectrum#converged()}. */
    public Spectrum attempt(LinearOperator operator, ParameterVector start) {
        double length = start.norm();
        Iterations.require(length > 0 && Double.isFinite(length), "the start vector's norm", length, "above 0, finite");
        List<ParameterVector> basis = new ArrayList<>();
        Iterations history = new Iterations("Lanczos", listener);
        double[] alpha = new double[maxIterations];
        double[] beta = new double[maxIterations];
        try (ParameterVector v = start.copy(); ParameterVector w = start.zeros();
                ParameterVector before = start.zeros()) {
            v.scale(1 / length);
            for (int k = 0; ; k++) {
                history.checkInterrupt();
                operator.apply(v, w);
                alpha[k] = v.dot(w);
                if (!Double.isFinite(alpha[k])) {
                    return new Spectrum(Double.NaN, Double.NaN, Double.NaN, Double.NaN, new double[0], false, k + 1);
                }
                w.axpy(-alpha[k], v);
                if (k > 0) {
                    w.axpy(-beta[k - 1], before);
                }
                if (keepBasis) {
                    basis.add(v.copy());
                    orthogonalise(w, basis);
                }
                beta[k] = w.norm();
                Spectrum spectrum = ritz(alpha, beta, k + 1);
                history.note(k + 1, Math.max(spectrum.smallestError(), spectrum.largestError()));
                if (spectrum.converged() || k + 1 == maxIterations) {
                    return spectrum;
                }
                before.assign(v);
                v.combine(0, 1 / beta[k], w);
            }
        } finally {
            basis.forEach(ParameterVector::close);
        }
    }

    private static void orthogonalise(ParameterVector w, List<ParameterVector> basis) {
        for (int round = 0; round < 2; round++) {
            for (ParameterVector u : basis) {
                w.axpy(-u.dot(w), u);
            }
        }
    }

    /** Eigenvalues of the tridiagonal matrix; a Ritz value's error is at most beta_k times its vector's last entry. */
    private Spectrum ritz(double[] alpha, double[] beta, int k) {
        double[] matrix = new double[k * k];
        for (int i = 0; i < k; i++) {
            matrix[i * k + i] = alpha[i];
            if (i + 1 < k) {
                matrix[i * k + i + 1] = beta[i];
                matrix[(i + 1) * k + i] = beta[i];
            }
        }
        double[] values = Engine.eigen(matrix, k);
        double scale = Math.max(Math.abs(values[0]), Math.abs(values[k - 1]));
        boolean exhausted = beta[k - 1] <= EXHAUSTED * scale || scale == 0;
        double low = exhausted ? 0 : beta[k - 1] * Math.abs(matrix[k - 1]);
        double high = exhausted ? 0 : beta[k - 1] * Math.abs(matrix[k * k - 1]);
        boolean converged = exhausted || Math.max(low, high) <= tolerance * scale;
        return new Spectrum(values[0], values[k - 1], low, high, Arrays.copyOf(values, k), converged, k);
    }

    /**
     * What Lanczos knows of a spectrum.
     *
     * @param smallest      the smallest Ritz value
     * @param largest       the largest
     * @param smallestError bound on the distance from {@code smallest} to an eigenvalue
     * @param largestError  the same of {@code largest}
     * @param ritz          all Ritz values, ascending
     * @param converged     whether both errors reached the tolerance
     * @param iterations    products made
     */
    public record Spectrum(double smallest, double largest, double smallestError, double largestError, double[] ritz,
                           boolean converged, int iterations) { }
}
