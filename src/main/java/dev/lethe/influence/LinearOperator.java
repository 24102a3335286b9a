package dev.lethe.influence;

import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.Work;
import dev.lethe.influence.ConjugateGradient.Solution;

/**
 * A symmetric linear map of one model's parameter space: a Hessian, a Gauss-Newton matrix, an inverse that
 * preconditions. Used by one thread at a time, the vectors'.
 */
@FunctionalInterface
public interface LinearOperator {

    /** out = A in. {@code out} is another vector than {@code in}; what it held before does not matter. */
    void apply(ParameterVector in, ParameterVector out);

    /*
     * Power iteration: the eigenvalue of largest magnitude and its vector, with two vectors of memory. Slow where the first
     * two magnitudes are near.
     */
    /** Power iteration. Immutable; runs on the vectors' thread. */
    public static final class PowerIteration {
        private final double tolerance;
        private final int maxIterations;

        /**
         * @param tolerance     of ||A v - value v|| / |value|
         * @param maxIterations at least 1
         */
        public PowerIteration(double tolerance, int maxIterations) {
            Solution.require(tolerance > 0 && tolerance < 1, "tolerance", tolerance, "between 0 and 1");
            Solution.require(maxIterations >= 1, "maxIterations", maxIterations, "at least 1");
            this.tolerance = tolerance;
            this.maxIterations = maxIterations;
        }

        /**
         * The pair, which the caller closes, converged or not.
         *
         * @param start a vector with a share of the eigenvector, as a random one has; left as it is
         */
        public Eigenpair attempt(LinearOperator operator, ParameterVector start) {
            double length = start.norm();
            Solution.require(length > 0 && Double.isFinite(length), "the start vector's norm", length, "above 0, finite");
            ParameterVector v = start.copy();
            try (ParameterVector product = start.zeros()) {
                v.scale(1 / length);
                double value = 0;
                for (int iteration = 1; iteration <= maxIterations; iteration++) {
                    Work.check("power iteration was interrupted");
                    operator.apply(v, product);
                    value = v.dot(product);
                    double norm = product.norm();
                    if (norm == 0) { // the start lies in the null space
                        return new Eigenpair(0, v, true);
                    }
                    product.combine(1, -value, v);
                    double residual = product.norm() / Math.abs(value);
                    if (residual <= tolerance || !Double.isFinite(norm)) {
                        return new Eigenpair(value, v, residual <= tolerance);
                    }
                    v.combine(value / norm, 1 / norm, product); // A v / ||A v||, from its parts along v and across
                }
                return new Eigenpair(value, v, false);
            } catch (Throwable e) {
                v.close();
                throw e;
            }
        }

        /**
         * An eigenvalue and its vector. Owns the vector: close it.
         *
         * @param value     Rayleigh quotient of the vector
         * @param vector    of norm 1
         * @param converged whether the residual reached the tolerance
         */
        public record Eigenpair(double value, ParameterVector vector, boolean converged) implements AutoCloseable {
            @Override
            public void close() {
                vector.close();
            }
        }
    }
}
