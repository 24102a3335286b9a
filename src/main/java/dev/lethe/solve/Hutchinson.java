/* Hutchinson's estimate of a trace (1990): the mean of z^T A z over random z with independent entries of variance 1. */
package dev.lethe.solve;

import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.ParameterVector.Distribution;
import dev.lethe.shape.SiteSet;
import dev.lethe.solve.Solution.NotConvergedException;
import dev.lethe.solve.Solution.Stop;
import java.util.Arrays;
import java.util.Locale;

/** Stochastic trace. Immutable; runs on the vectors' thread. */
public final class Hutchinson {
    private final Options options;
    private final SolverListener listener;

    /**
     * @param samples       at most so many products, at least 2
     * @param relativeError standard error over |trace| at which sampling ends early and which must be reached; 0 for
     *                      exactly {@code samples} samples and no demand
     * @param distribution  of z; Rademacher has the smaller variance
     * @param seed          of z
     * @param sites         z is zero elsewhere: the trace of their block; null for all
     */
    public record Options(int samples, double relativeError, Distribution distribution, long seed, SiteSet sites) {
        public Options {
            Iterations.require(samples >= 2, "samples", samples, "at least 2, a standard error needs them");
            Iterations.require(relativeError >= 0, "relativeError", relativeError, "0 or more");
        }
    }

    public Hutchinson(Options options, SolverListener listener) {
        this.options = options;
        this.listener = listener;
    }

    /**
     * Estimates the trace with its standard error.
     *
     * @param like any vector of the operator's space
     * @throws NotConvergedException when a relative error was demanded and not reached, or a product is not finite
     */
    public TraceEstimate trace(LinearOperator operator, ParameterVector like) {
        Iterations history = new Iterations("Hutchinson's trace", listener);
        double[] samples = new double[options.samples()];
        try (ParameterVector z = like.zeros(); ParameterVector product = like.zeros()) {
            for (int i = 0; i < samples.length; i++) {
                history.checkInterrupt();
                z.random(options.distribution(), options.seed() + 0x9E3779B97F4A7C15L * i);
                if (options.sites() != null) {
                    z.keep(options.sites());
                }
                operator.apply(z, product);
                samples[i] = z.dot(product);
                TraceEstimate so = estimate(Arrays.copyOf(samples, i + 1));
                double relative = so.standardError() / Math.abs(so.trace());
                history.note(i + 1, relative);
                if (!Double.isFinite(samples[i])) {
                    throw failed("a product is not finite", Stop.BREAKDOWN, i + 1, relative);
                }
                if (i > 0 && options.relativeError() > 0 && !(relative > options.relativeError())) {
                    return so;
                }
            }
        }
        if (options.relativeError() > 0) {
            throw failed("draw more samples or ask for a larger relative error", Stop.ITERATIONS, samples.length,
                    history.last());
        }
        return estimate(samples);
    }

    private static NotConvergedException failed(String reason, Stop stop, int samples, double relative) {
        return new NotConvergedException(String.format(Locale.ROOT,
                "Hutchinson's trace: relative standard error %.3g after %d samples: %s", relative, samples, reason),
                stop, samples, relative);
    }

    private static TraceEstimate estimate(double[] samples) {
        double mean = Arrays.stream(samples).average().orElseThrow();
        double squares = Arrays.stream(samples).map(value -> (value - mean) * (value - mean)).sum();
        double error = samples.length < 2 ? Double.POSITIVE_INFINITY
                : Math.sqrt(squares / (samples.length - 1.0) / samples.length);
        return new TraceEstimate(mean, error, samples);
    }

    /**
     * A stochastic trace.
     *
     * @param trace         mean over the samples of z^T A z
     * @param standardError of that mean
     * @param samples       z^T A z of each sample
     */
    public record TraceEstimate(double trace, double standardError, double[] samples) { }
}
