package dev.lethe.influence;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * A mean with its 95 % percentile bootstrap interval (Efron 1979): the same seed gives the same interval.
 *
 * @param mean of the values
 * @param low  2.5th percentile of the means of samples drawn from the values with replacement
 * @param high 97.5th percentile
 */
public record Bootstrap(double mean, double low, double high) {
    private static final int SAMPLES = 10_000;
    private static final int TABLES = 2_000;

    /** A number made of some rows and columns of a table. */
    @FunctionalInterface
    public interface TableStatistic {
        /** Rows and columns may come more than once. */
        double of(int[] rows, int[] columns);
    }

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
        return within(Arrays.stream(values).average().orElseThrow(), means);
    }

    /**
     * Of a statistic of a table whose rows and columns were both sampled, such as queries and subsets: both are drawn anew
     * (Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2)). {@code mean} is that of the whole table.
     */
    public static Bootstrap of(int rows, int columns, TableStatistic statistic, long seed) {
        if (rows < 1 || columns < 1) throw new IllegalArgumentException("a table of " + rows + " by " + columns);
        SplittableRandom random = new SplittableRandom(seed);
        double[] drawn = new double[TABLES];
        for (int s = 0; s < TABLES; s++)
            drawn[s] = statistic.of(random.ints(rows, 0, rows).toArray(), random.ints(columns, 0, columns).toArray());
        return within(statistic.of(IntStream.range(0, rows).toArray(), IntStream.range(0, columns).toArray()), drawn);
    }

    private static Bootstrap within(double value, double[] drawn) {
        Arrays.sort(drawn);
        return new Bootstrap(value, drawn[drawn.length / 40], drawn[drawn.length - 1 - drawn.length / 40]);
    }
}
