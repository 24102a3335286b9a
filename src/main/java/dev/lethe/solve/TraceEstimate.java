package dev.lethe.solve;

/**
 * A stochastic trace.
 *
 * @param trace         mean over the samples of z^T A z
 * @param standardError of that mean
 * @param samples       z^T A z of each sample
 */
public record TraceEstimate(double trace, double standardError, double[] samples) { }
