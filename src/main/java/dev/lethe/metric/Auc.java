package dev.lethe.metric;

import java.util.Arrays;
import java.util.stream.DoubleStream;

/**
 * Area under the ROC curve as the Mann-Whitney statistic: the chance that a random positive scores higher than a random
 * negative, ties counting half. Equal to sklearn.metrics.roc_auc_score.
 */
public final class Auc {
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
