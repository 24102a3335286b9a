package dev.lethe.influence;

import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * A mean with its 95 % percentile bootstrap interval (Efron 1979): the same seed gives the same interval.
 *
 * @param mean of the values
 * @param low  2.5th percentile of the means of samples drawn from the values with replacement
 * @param high 97.5th percentile
 */
public record Bootstrap(double mean, double low, double high) {
    private static final int SAMPLES = 10_000;

    /** @param values at least one */
    public static Bootstrap of(double[] values, long seed) {
        if (values.length == 0) throw new IllegalArgumentException("an interval needs at least one value");
        SplittableRandom random = new SplittableRandom(seed);
        double[] means = new double[SAMPLES];
        for (int s = 0; s < SAMPLES; s++) {
            double sum = 0;
            for (int i = 0; i < values.length; i++) sum += values[random.nextInt(values.length)];
            means[s] = sum / values.length;
        }
        Arrays.sort(means);
        return new Bootstrap(Arrays.stream(values).average().orElseThrow(), means[SAMPLES / 40],
                means[SAMPLES - 1 - SAMPLES / 40]);
    }
}
