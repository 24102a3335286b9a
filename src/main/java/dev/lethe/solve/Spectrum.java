package dev.lethe.solve;

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
