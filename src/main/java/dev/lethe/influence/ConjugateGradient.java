/*
 * Preconditioned conjugate gradients (Hestenes and Stiefel 1952; Saad, Iterative Methods, algorithm 9.1) for
 * (A + damping I) x = b with a symmetric A. The recurrence's residual drifts from the true one in finite precision, so
 * a claim of convergence is checked by one product more; if it fails, the iteration starts again from the true residual.
 * Whoever wants less than x itself may end it sooner (EarlyStop).
 */
package dev.lethe.influence;

import dev.lethe.LetheException;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.Work;
import dev.lethe.influence.ConjugateGradient.EarlyStop;
import dev.lethe.influence.ConjugateGradient.Solution.NotConvergedException;
import dev.lethe.influence.ConjugateGradient.Solution.Stop;
import java.util.Locale;

/** Conjugate gradients. Immutable; runs on the vectors' thread. */
public final class ConjugateGradient {
    private static final int RESTARTS = 3;

    private final Options options;
    private final LinearOperator preconditioner;
    private final EarlyStop early;

    /**
     * @param damping       added to the operator's diagonal, 0 or more
     * @param tolerance     of ||b - (A + damping I) x|| / ||b||
     * @param maxIterations at least 1
     */
    public record Options(double damping, double tolerance, int maxIterations) {
        public Options {
            Solution.require(damping >= 0 && Double.isFinite(damping), "damping", damping, "0 or more");
            Solution.require(tolerance > 0 && tolerance < 1, "tolerance", tolerance, "between 0 and 1");
            Solution.require(maxIterations >= 1, "maxIterations", maxIterations, "at least 1");
        }
    }

    public ConjugateGradient(Options options) {
        this(options, null, EarlyStop.NEVER);
    }

    /**
     * @param preconditioner about (A + damping I)^-1, symmetric and positive definite; null for none
     * @param early          may end the iteration before the residual does
     */
    public ConjugateGradient(Options options, LinearOperator preconditioner, EarlyStop early) {
        this.options = options;
        this.preconditioner = preconditioner;
        this.early = early;
    }

    /**
     * Solves, or says why not.
     *
     * @return a converged solution, which the caller closes
     * @throws NotConvergedException                     naming the residual, the iterations and what to try
     * @throws dev.lethe.base.InterruptedWorkException when the thread is interrupted
     */
    public Solution solve(LinearOperator operator, ParameterVector b) {
        return attempt(operator, b).required("CG");
    }

    /** As {@link #solve}, but a solution that did not converge is returned: look at {@link Solution#converged()}. */
    public Solution attempt(LinearOperator operator, ParameterVector b) {
        ParameterVector x = b.zeros();
        try (Run run = new Run(operator, b, x)) {
            return run.go();
        } catch (Throwable e) {
            x.close();
            throw e;
        }
    }

    /** The iteration's vectors and numbers. */
    private final class Run implements AutoCloseable {
        private final LinearOperator operator;
        private final ParameterVector b;
        private final ParameterVector x;
        private final ParameterVector r; // residual
        private final ParameterVector z; // preconditioned residual; r itself without a preconditioner
        private final ParameterVector p; // direction
        private final ParameterVector q; // (A + damping I) p
        private double residual; // relative
        private int iteration;

        Run(LinearOperator operator, ParameterVector b, ParameterVector x) {
            this.operator = operator;
            this.b = b;
            this.x = x;
            r = b.copy();
            z = preconditioner == null ? r : b.zeros();
            p = b.zeros();
            q = b.zeros();
        }

        Solution go() {
            double norm = b.norm();
            if (!Double.isFinite(norm)) {
                throw new IllegalArgumentException("CG: the right-hand side is not finite");
            }
            if (norm == 0) {
                return end(Stop.CONVERGED, "");
            }
            residual = 1;
            for (int restart = 0; restart <= RESTARTS; restart++) {
                Solution ended = descend(norm);
                if (ended != null) {
                    return ended;
                }
                if (trueResidual() <= options.tolerance() * norm) {
                    return end(Stop.CONVERGED, "");
                }
            }
            return end(Stop.BREAKDOWN, String.format(Locale.ROOT, "the true residual stays at %.3g while the recurrence"
                    + " claims less; %s numbers allow no more: ask for a larger tolerance or more damping",
                    r.norm() / norm, b.dtype()));
        }

        /** Iterates until the recurrence claims convergence (null), x will do, or it cannot go on. */
        private Solution descend(double norm) {
            double rz = startDirection();
            while (true) {
                if (!(rz > 0)) {
                    return end(Stop.BREAKDOWN, "<r, M r> is " + rz + ": the preconditioner is not positive definite or"
                            + " a number is not finite");
                }
                if (iteration == options.maxIterations()) {
                    return end(Stop.ITERATIONS, "allow more iterations, use a preconditioner, or raise the damping (it"
                            + " is " + options.damping() + ")");
                }
                Work.check("CG was interrupted");
                multiply(p, q);
                double curvature = p.dot(q);
                if (!(curvature > 0)) {
                    return notPositive(curvature / p.dot(p));
                }
                double step = rz / curvature;
                x.axpy(step, p);
                r.axpy(-step, q);
                iteration++;
                residual = r.norm() / norm;
                if (residual <= options.tolerance()) {
                    return null;
                }
                if (early.enough(iteration, residual, x)) {
                    return end(Stop.SETTLED, "");
                }
                double next = precondition();
                p.combine(next / rz, 1, z);
                rz = next;
            }
        }

        private double startDirection() {
            double rz = precondition();
            p.assign(z);
            return rz;
        }

        private double precondition() {
            if (preconditioner != null) {
                preconditioner.apply(r, z);
            }
            return r.dot(z);
        }

        private void multiply(ParameterVector in, ParameterVector out) {
            operator.apply(in, out);
            if (options.damping() != 0) {
                out.axpy(options.damping(), in);
            }
        }

        private double trueResidual() {
            multiply(x, q);
            r.assign(b);
            r.axpy(-1, q);
            return r.norm();
        }

        private Solution notPositive(double curvature) {
            if (!Double.isFinite(curvature)) {
                return end(Stop.BREAKDOWN, "the operator's product is not finite");
            }
            return end(Stop.NEGATIVE_CURVATURE, String.format(Locale.ROOT, "a direction has curvature %.4g with damping"
                    + " %.4g: the operator is not positive definite, so the system has no minimum. Use the Gauss-Newton"
                    + " matrix, which never is negative, or a damping above %.4g (above minus the smallest eigenvalue)",
                    curvature, options.damping(), options.damping() - curvature));
        }

        private Solution end(Stop stop, String reason) {
            return new Solution(x, stop, iteration, residual, reason);
        }

        @Override
        public void close() {
            r.close();
            if (z != r) {
                z.close();
            }
            p.close();
            q.close();
        }
    }

    /** Asked after every iteration whether x will do already. */
    @FunctionalInterface
    public interface EarlyStop {
        /** The residual alone decides. */
        EarlyStop NEVER = (iteration, residual, x) -> false;

        /**
         * @param iteration counts from 1
         * @param residual  relative, above the tolerance
         * @param x         the iterate, left as it is
         */
        boolean enough(int iteration, double residual, ParameterVector x);
    }

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
}
