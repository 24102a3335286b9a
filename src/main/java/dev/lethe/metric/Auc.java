package dev.lethe.metric;

import java.util.Arrays;
import java.util.stream.DoubleStream;

/**
 * Area under the ROC curve as the Mann-Whitney statistic: the chance that a random positive scores higher than a random
 * negative, ties counting half. Equal to sklearn.metrics.roc_auc_score.
 */
public final class Auc {
    /** The standard normal's 99.5th percentile. */
    private static final double Z = 2.5758293035489004;

    private Auc() {}

    /**
     * @param positives scores of the positive class, at least one, no NaN
     * @param negatives scores of the negative class, at least one, no NaN
     * @return 0..1; 0.5 when the two cannot be told apart
     */
    public static double of(double[] positives, double[] negatives) {
        if (positives.length == 0 || negatives.length == 0) {
            throw new IllegalArgumentException("AUC needs scores on both sides, got " + positives.length
                    + " positive and " + negatives.length + " negative");
        }
        if (DoubleStream.concat(Arrays.stream(positives), Arrays.stream(negatives)).anyMatch(Double::isNaN)) {
            throw new IllegalArgumentException("AUC of scores that are not a number");
        }
        double[] sorted = Arrays.stream(negatives).sorted().toArray();
        double wins = 0;
        for (double score : positives) {
            // + 0.0 turns -0.0 into 0.0, which the sort and the search would otherwise tell apart
            wins += (countBelow(sorted, score + 0.0, false) + countBelow(sorted, score + 0.0, true)) / 2.0;
        }
        return wins / ((double) positives.length * negatives.length);
    }

    /**
     * Its interval by Newcombe's method 5 (2006, Statistics in Medicine 25:559), which stays within 0 and 1 and has a width where
     * the two sides are apart altogether. Of 99 %, since a proof looks at many numbers and one outside would be told as a leak.
     *
     * @param m records of one side, at least 1
     * @param n records of the other
     * @return {low, high}
     */
    public static double[] interval(double auc, int m, int n) {
        return new double[] {bound(auc, 0, m, n), bound(auc, 1, m, n)};
    }

    /** Where the distance to {@code auc} is Z standard deviations, between it and {@code end}. */
    private static double bound(double auc, double end, int m, int n) {
        double within = auc;
        double beyond = end;
        for (int i = 0; i < 100; i++) {
            double middle = (within + beyond) / 2;
            if (Math.abs(auc - middle) < Z * deviation(middle, m, n)) {
                within = middle;
            } else {
                beyond = middle;
            }
        }
        return (within + beyond) / 2;
    }

    private static double deviation(double auc, int m, int n) {
        double half = (m + n) / 2.0 - 1;
        return Math.sqrt(auc * (1 - auc) * (1 + half * (1 - auc) / (2 - auc) + half * auc / (1 + auc)) / ((double) m * n));
    }

    /** How many of the sorted values are less than (or, when inclusive, not greater than) the score. */
    private static int countBelow(double[] sorted, double score, boolean inclusive) {
        int low = 0;
        int high = sorted.length;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (sorted[middle] < score || inclusive && sorted[middle] == score) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }
}
