package dev.lethe.metric;

import java.util.Arrays;

/**
 * The logit of a record's confidence, {@code phi = log(p / (1 - p))} with p = exp(-mean token loss): unlike p it is near
 * normal over models trained alike, which {@link ULira} needs (Carlini et al. 2022, arXiv 2112.03570, section IV-C), and
 * it is the correct class's logit minus the log-sum-exp of the others, the margin of {@link Klom}.
 */
public final class LogitMargin {
    /** Below this loss p rounds to 1; the margin stops at about 27.6. */
    private static final double LEAST_LOSS = 1e-12;

    private LogitMargin() {}

    /** @param loss mean of -log p over a record's targets, in nats, at least 0 */
    public static double of(double loss) {
        double bounded = Math.max(loss, LEAST_LOSS);
        return -bounded - Math.log(-Math.expm1(-bounded));
    }

    /** The margins of a list of losses, in the same order. */
    public static double[] of(double[] losses) {
        return Arrays.stream(losses).map(LogitMargin::of).toArray();
    }

    /** Refuses margins that are not [models][records] with equally many records each and no NaN; returns the records. */
    static int requireMatrix(String what, double[][] margins) {
        if (margins.length == 0 || margins[0].length == 0) {
            throw new IllegalArgumentException(what + ": needs at least one model and one record");
        }
        for (double[] model : margins) {
            MetricValues.requireSameLength(what, margins[0].length, model.length);
            if (Arrays.stream(model).anyMatch(Double::isNaN)) {
                throw new IllegalArgumentException(what + ": a margin is not a number");
            }
        }
        return margins[0].length;
    }

    /** One record's margins over the models. */
    static double[] column(double[][] margins, int record) {
        return Arrays.stream(margins).mapToDouble(model -> model[record]).toArray();
    }
}
