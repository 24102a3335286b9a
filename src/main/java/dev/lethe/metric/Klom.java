package dev.lethe.metric;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * KLoM, Kullback-Leibler divergence of margins (Georgiev et al. 2024, arXiv 2410.23232; "Ascent Fails to Forget",
 * arXiv 2509.26427; code RoyRin/data-unlearning-bench): for each record, {@code KL(U || O)} between the histograms of its
 * margin ({@link LogitMargin}) under N unlearned models U and under N models O retrained without the forget set. Margins
 * are clipped to ±100, the histogram has 20 equal bins from the smallest to the largest of both, and an oracle bin is
 * never below 1e-5. 0: distributed alike; the most it can be is log(1e5) = 11.5. The largest margin counts in the last
 * bin; the reference code drops it, which hides every record whose unlearned margins are all above the oracles'.
 *
 * <p>With N small, 20 bins are mostly empty and two samples of one distribution diverge too, so two companions come with
 * it: {@code floor}, the same between two halves of the oracles, and the divergence of normal distributions fitted to
 * both, which wants fewer models.
 */
public final class Klom {
    private static final int BINS = 20;
    private static final double CLIP = 100;
    private static final double LEAST_SHARE = 1e-5;

    /** Least standard deviation of a fitted normal: margins of a deterministic model must not divide by 0. */
    private static final double LEAST_DEVIATION = 1e-3;

    private Klom() {}

    /**
     * @param klom         each record's divergence; the aggregate is the mean
     * @param percentile95 of the records' divergences, the papers' other summary
     * @param floor        mean over the records of KLoM between the oracles of even and of odd index: what chance alone
     *                     shows at half the models, so somewhat above what it shows at N; NaN below four oracles
     * @param normal       KL between normal distributions fitted to the margins; records NaN below two models a side
     */
    public record Result(MetricValues klom, double percentile95, double floor, MetricValues normal) {}

    /**
     * @param unlearned margins, [models][records]: models trained with the forget set and then unlearned
     * @param oracles   margins of the same records, [models][records]: models retrained without it
     */
    public static Result of(double[][] unlearned, double[][] oracles) {
        int records = LogitMargin.requireMatrix("KLoM, unlearned models", unlearned);
        MetricValues.requireSameLength("KLoM", records, LogitMargin.requireMatrix("KLoM, oracles", oracles));
        double[] klom = new double[records];
        double[] normal = new double[records];
        double floor = 0;
        for (int r = 0; r < records; r++) {
            double[] u = LogitMargin.column(unlearned, r);
            double[] o = LogitMargin.column(oracles, r);
            klom[r] = histogram(u, o);
            normal[r] = normal(u, o);
            floor += o.length < 4 ? Double.NaN : histogram(everySecond(o, 0), everySecond(o, 1));
        }
        return new Result(MetricValues.mean(klom), percentile(klom, 0.95), floor / records, MetricValues.mean(normal));
    }

    /** KL(p || q) of one record's margins, binned. */
    static double histogram(double[] p, double[] q) {
        double[] both = Arrays.copyOf(p, p.length + q.length);
        System.arraycopy(q, 0, both, p.length, q.length);
        double low = clip(Arrays.stream(both).min().orElseThrow());
        double high = clip(Arrays.stream(both).max().orElseThrow());
        double[] pShare = shares(p, low, high > low ? high : low + 1);
        double[] qShare = shares(q, low, high > low ? high : low + 1);
        double qSum = 0; // q is made whole again after the floor, as scipy.stats.entropy does
        for (int k = 0; k < BINS; k++) {
            qShare[k] = pShare[k] > 0 ? Math.max(qShare[k], LEAST_SHARE) : qShare[k];
            qSum += qShare[k];
        }
        double divergence = 0;
        for (int k = 0; k < BINS; k++) {
            divergence += pShare[k] > 0 ? pShare[k] * Math.log(pShare[k] * qSum / qShare[k]) : 0;
        }
        return divergence;
    }

    private static double[] shares(double[] values, double low, double high) {
        double[] counts = new double[BINS];
        for (double value : values) {
            counts[bin(clip(value), low, high)]++;
        }
        return Arrays.stream(counts).map(count -> count / values.length).toArray();
    }

    /** The bin whose edges, as numpy.linspace rounds them, hold the value; the last bin holds its upper edge too. */
    private static int bin(double value, double low, double high) {
        double width = (high - low) / BINS;
        int bin = Math.clamp((int) ((value - low) / width), 0, BINS - 1);
        if (bin > 0 && value < low + bin * width) {
            return bin - 1;
        }
        return bin < BINS - 1 && value >= low + (bin + 1) * width ? bin + 1 : bin;
    }

    /** log(s_q / s_p) + (s_p^2 + (m_p - m_q)^2) / (2 s_q^2) - 1/2; NaN when a side has fewer than two models. */
    static double normal(double[] p, double[] q) {
        Gaussian mine = Gaussian.fit(p);
        Gaussian theirs = Gaussian.fit(q);
        double s = Math.max(mine.deviation(), LEAST_DEVIATION);
        double t = Math.max(theirs.deviation(), LEAST_DEVIATION);
        double shift = mine.mean() - theirs.mean();
        return Double.isNaN(mine.deviation() + theirs.deviation()) ? Double.NaN
                : Math.log(t / s) + (s * s + shift * shift) / (2 * t * t) - 0.5;
    }

    private static double clip(double value) {
        return Math.clamp(value, -CLIP, CLIP);
    }

    private static double[] everySecond(double[] values, int from) {
        return IntStream.range(0, values.length).filter(i -> i % 2 == from).mapToDouble(i -> values[i]).toArray();
    }

    /** Linear between the two nearest, as numpy.percentile. */
    private static double percentile(double[] values, double share) {
        double[] sorted = Arrays.stream(values).sorted().toArray();
        double at = share * (sorted.length - 1);
        int below = (int) at;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
    }

    /**
     * A normal distribution fitted to a sample.
     *
     * @param deviation from n - 1; NaN for a sample of one
     */
    record Gaussian(double mean, double deviation) {
        static Gaussian fit(double[] sample) {
            double mean = 0;
            for (double value : sample) {
                mean += value / sample.length;
            }
            double squares = 0;
            for (double value : sample) {
                squares += (value - mean) * (value - mean);
            }
            return new Gaussian(mean, sample.length < 2 ? Double.NaN : Math.sqrt(squares / (sample.length - 1)));
        }

        /** Log density without the constant -log(2 pi)/2, which a likelihood ratio does not see. */
        double logDensity(double value) {
            double z = (value - mean) / deviation;
            return -Math.log(deviation) - z * z / 2;
        }
    }
}
