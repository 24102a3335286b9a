package dev.lethe.solve;

import dev.lethe.engine.ParameterVector;

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
