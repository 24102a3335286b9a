package dev.lethe.metric;

import java.util.Arrays;

/**
 * What every metric returns: its aggregate, and each record's own value in the order the records came.
 *
 * @param aggregate one number for the set; NaN for a set without records
 * @param records   [records]
 */
public record MetricValues(double aggregate, double[] records) {
    /** Values whose aggregate is their mean. */
    static MetricValues mean(double[] records) {
        return new MetricValues(Arrays.stream(records).average().orElse(Double.NaN), records);
    }

    /** Refuses lists of different lengths, which would pair the wrong records. */
    static void requireSameLength(String what, int first, int second) {
        if (first != second) {
            throw new IllegalArgumentException(what + ": " + first + " and " + second + " records; must be the same records");
        }
    }
}
