package dev.lethe.metric;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.zip.Deflater;

/**
 * What tells records that were learned from others, low for these as losses are: number for number OpenUnlearning's
 * src/evals/metrics/mia, with the k of its configs/eval/tofu_metrics and muse_metrics.
 */
public final class MembershipScores {
    /** The share of tokens that Min-K% and Min-K%++ look at unless told otherwise: that of OpenUnlearning's TOFU and MUSE. */
    public static final double K = 0.4;

    /** Smallest standard deviation that Min-K%++ divides by: the root of OpenUnlearning's floor of the variance. */
    private static final double LEAST_DEVIATION = 1e-3;

    private MembershipScores() {}

    /** Mean of the lowest share k, 0..1, (at least one) of the values, negated; NaN for none. */
    public static double minK(double[] logProbability, double k) {
        double[] sorted = logProbability.clone();
        Arrays.sort(sorted);
        return -Arrays.stream(sorted, 0, Math.min(sorted.length, Math.max(1, (int) (sorted.length * k)))).average().orElse(Double.NaN);
    }

    /**
     * Min-K% over (log p - mean) / deviation.
     *
     * @param logProbability log p of each target token
     * @param mean of the log-probabilities of the whole vocabulary under the prediction, one a target token
     * @param deviation their standard deviation, one a target token
     */
    public static double minKPlusPlus(double[] logProbability, double[] mean, double[] deviation, double k) {
        return minK(IntStream.range(0, logProbability.length)
                .mapToDouble(i -> (logProbability[i] - mean[i]) / Math.max(deviation[i], LEAST_DEVIATION)).toArray(), k);
    }

    /** Bytes of the text as UTF-8 after zlib at its default level: Python's {@code len(zlib.compress(text))}. */
    public static int zlibBytes(String text) {
        byte[] chunk = new byte[4096];
        int total = 0;
        try (Deflater deflater = new Deflater()) {
            deflater.setInput(text.getBytes(StandardCharsets.UTF_8));
            deflater.finish();
            while (!deflater.finished()) {
                total += deflater.deflate(chunk);
            }
        }
        return total;
    }
}
