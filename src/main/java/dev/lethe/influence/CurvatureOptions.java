package dev.lethe.influence;

import dev.lethe.engine.Curvature.Matrix;

/**
 * How the scores that know curvature see it.
 *
 * @param matrix        C: the Hessian, or the Gauss-Newton matrix, which never is indefinite
 * @param damping       lambda of (C + lambda I)^-1; NaN = a hundredth of C's largest eigenvalue, found by power iteration
 * @param tolerance     relative residual at which a solver ends
 * @param maxIterations of conjugate gradients, and samples drawn by LiSSA
 */
public record CurvatureOptions(Matrix matrix, double damping, double tolerance, int maxIterations) {
    public CurvatureOptions {
        if (!Double.isNaN(damping) && !(damping >= 0 && Double.isFinite(damping)))
            throw new IllegalArgumentException("damping is " + damping + ", must be 0 or more");
        if (!(tolerance > 0 && tolerance < 1))
            throw new IllegalArgumentException("tolerance is " + tolerance + ", must be between 0 and 1");
        if (maxIterations < 1)
            throw new IllegalArgumentException("iterations is " + maxIterations + ", must be at least 1");
    }

    /** Gauss-Newton, damping chosen by the spectrum, 1 % residual. */
    public static CurvatureOptions defaults() {
        return new CurvatureOptions(Matrix.GAUSS_NEWTON, Double.NaN, 0.01, 300);
    }
}
