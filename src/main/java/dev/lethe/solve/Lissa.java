/*
 * LiSSA (Agarwal, Bullins and Hazan 2017; for influence Koh and Liang 2017): (A + damping I)^-1 b by the Neumann
 * series h <- b + h - (A_draw h + damping h) / scale, x = h / scale, a fresh sample of A each step, mean of repeats.
 *
 * h_{j+1} - h_j is the residual b - (A_draw + damping I) x itself. While the spectrum of the damped samples lies in
 * [0, 2 scale], a step adds at most ||b|| to ||h||, so a larger h proves that the scale is too small or A not positive.
 */
package dev.lethe.solve;

import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.Work;
import dev.lethe.solve.Solution.NotConvergedException;
import dev.lethe.solve.Solution.Stop;
import java.util.Locale;

/** LiSSA. Immutable; runs on the vectors' thread. */
public final class Lissa {
    private static final double ROUNDING = 1 + 1e-4;

    private final Options options;

    /**
     * @param damping   added to the operator's diagonal, 0 or more
     * @param scale     at least half of the largest eigenvalue of the damped samples; power iteration finds it
     * @param depth     most steps of a repeat
     * @param repeats   independent series that are averaged
     * @param tolerance of the relative residual on the step's sample, at which a repeat ends before its depth; samples
     *                  that differ leave a floor under it
     */
    public record Options(double damping, double scale, int depth, int repeats, double tolerance) {
        public Options {
            Solution.require(damping >= 0 && Double.isFinite(damping), "damping", damping, "0 or more");
            Solution.require(scale > 0 && Double.isFinite(scale), "scale", scale, "above 0");
            Solution.require(depth >= 1, "depth", depth, "at least 1");
            Solution.require(repeats >= 1, "repeats", repeats, "at least 1");
            Solution.require(tolerance > 0 && tolerance < 1, "tolerance", tolerance, "between 0 and 1");
        }
    }

    public Lissa(Options options) {
        this.options = options;
    }

    /**
     * Solves, or says why not.
     *
     * @return a converged solution, which the caller closes; its iterations are the samples drawn
     * @throws NotConvergedException                     naming the residual, the samples drawn and what to try
     * @throws dev.lethe.base.InterruptedWorkException when the thread is interrupted
     */
    public Solution solve(LinearOperator.SampledOperator operator, ParameterVector b) {
        return attempt(operator, b).required("LiSSA");
    }

    /** As {@link #solve}, but a solution that did not converge is returned: look at {@link Solution#converged()}. */
    public Solution attempt(LinearOperator.SampledOperator operator, ParameterVector b) {
        double norm = b.norm();
        if (!Double.isFinite(norm)) {
            throw new IllegalArgumentException("LiSSA: the right-hand side is not finite");
        }
        ParameterVector x = b.zeros();
        try (ParameterVector h = b.zeros(); ParameterVector product = b.zeros()) {
            int drawn = 0;
            double worst = 0;
            double residual = 0;
            for (int repeat = 0; repeat < options.repeats() && norm > 0; repeat++) {
                h.assign(b);
                residual = 1;
                for (int step = 1; step <= options.depth() && residual > options.tolerance(); step++) {
                    Work.check("LiSSA was interrupted");
                    operator.apply(drawn++, h, product);
                    product.axpy(options.damping(), h);
                    product.combine(-1 / options.scale(), 1, b); // b - (A + damping) h / scale
                    h.axpy(1, product);
                    residual = product.norm() / norm;
                    double length = h.norm();
                    if (!(length <= ROUNDING * (step + 1) * norm)) {
                        return new Solution(x, Stop.DIVERGED, drawn, residual, diverged(step, length / norm));
                    }
                }
                x.axpy(1 / (options.scale() * options.repeats()), h);
                worst = Math.max(worst, residual);
            }
            return worst <= options.tolerance()
                    ? new Solution(x, Stop.CONVERGED, drawn, residual, "")
                    : new Solution(x, Stop.ITERATIONS, drawn, residual, String.format(Locale.ROOT,
                            "allow more depth than %d, lower the scale (%.4g) towards half of the largest eigenvalue,"
                            + " raise the damping (%.4g), or draw larger samples", options.depth(), options.scale(),
                            options.damping()));
        } catch (Throwable e) {
            x.close();
            throw e;
        }
    }

    private String diverged(int step, double growth) {
        return String.format(Locale.ROOT, "after %d steps the series is %.4g times the right-hand side, more than any"
                + " operator with eigenvalues between 0 and twice the scale gives: raise the scale (it is %.4g) above"
                + " half of the largest eigenvalue, or the damping (%.4g) above minus the smallest", step, growth,
                options.scale(), options.damping());
    }
}
