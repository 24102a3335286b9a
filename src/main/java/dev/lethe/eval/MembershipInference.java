package dev.lethe.eval;

import dev.lethe.metric.Auc;
import dev.lethe.results.Evaluation.RecordMeasures;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import java.util.zip.Deflater;

/**
 * Attacks that guess from a model's outputs whether it was trained on a record.
 *
 * <p>Sign convention of all of them, as in OpenUnlearning: a score is like a loss, <b>low means "looks trained on"</b>.
 * The AUC is the chance that a member scores below a non-member (ties half): 1 = every member is recognised, 0.5 = they
 * cannot be told apart, below 0.5 = members look less known than records never seen. Definitions are those
 * of OpenUnlearning's src/evals/metrics/mia and the k of its configs/eval/tofu_metrics and muse_metrics.
 */
public final class MembershipInference {
    /** The share of tokens that Min-K% and Min-K%++ look at unless told otherwise: that of OpenUnlearning's TOFU and MUSE. */
    public static final double K = 0.4;

    /** Smallest standard deviation that Min-K%++ divides by: the root of OpenUnlearning's floor of the variance. */
    private static final double LEAST_DEVIATION = 1e-3;

    private MembershipInference() {}

    /** An attack, and how it reads a record's score. */
    public enum Attack {
        /** Mean loss (Yeom et al. 2018). */
        LOSS(RecordMeasures::loss),
        /** Mean negative log-probability of the share k of the tokens that is least likely (Shi et al. 2024). */
        MIN_K(RecordMeasures::minK),
        /** The same after standardising each token's log-probability under the prediction (Zhang et al. 2024). */
        MIN_K_PLUS_PLUS(RecordMeasures::minKPlusPlus),
        /** Mean loss over the zlib size in bytes of what the targets spell, its leading space included (Carlini et al. 2021). */
        ZLIB(RecordMeasures::zlibRatio);

        private final ToDoubleFunction<RecordMeasures> reader;

        Attack(ToDoubleFunction<RecordMeasures> reader) {
            this.reader = reader;
        }

        /** Name in results. */
        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }

        /** The record's score under this attack; NaN when it has no targets (ZLIB: or its text was not given). */
        public double score(RecordMeasures record) {
            return reader.applyAsDouble(record);
        }
    }

    /**
     * Aggregate and per-record scores of one attack, in the order the records came.
     *
     * @param attack its name in results
     */
    public record Result(String attack, double auc, double[] members, double[] nonMembers) {
        /** Scores of a low-means-member attack, with their AUC; NaN scores do not count in it. */
        static Result of(String attack, double[] members, double[] nonMembers) {
            return new Result(attack, Auc.of(known(nonMembers), known(members)), members, nonMembers);
        }
    }

    /**
     * Runs one attack.
     *
     * @param members records that were (or are suspected to have been) trained on
     * @param nonMembers records never trained on
     * @throws IllegalArgumentException when a side has no record with a score
     */
    public static Result attack(Attack attack, List<RecordMeasures> members, List<RecordMeasures> nonMembers) {
        return Result.of(attack.label(), scores(attack, members), scores(attack, nonMembers));
    }

    /** The aggregate of {@link #attack} alone. */
    public static double auc(Attack attack, List<RecordMeasures> members, List<RecordMeasures> nonMembers) {
        return attack(attack, members, nonMembers).auc();
    }

    /** Mean of the lowest share k, 0..1, (at least one) of the values, negated; NaN for none. */
    static double minK(double[] logProbability, double k) {
        if (logProbability.length == 0) {
            return Double.NaN;
        }
        double[] sorted = logProbability.clone();
        Arrays.sort(sorted);
        int count = Math.max(1, (int) (sorted.length * k));
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += sorted[i];
        }
        return -sum / count;
    }

    /**
     * Min-K% over (log p - mean) / deviation.
     *
     * @param logProbability log p of each target token
     * @param mean of the log-probabilities of the whole vocabulary under the prediction, one a target token
     * @param deviation their standard deviation, one a target token
     */
    static double minKPlusPlus(double[] logProbability, double[] mean, double[] deviation, double k) {
        return minK(IntStream.range(0, logProbability.length)
                .mapToDouble(i -> (logProbability[i] - mean[i]) / Math.max(deviation[i], LEAST_DEVIATION))
                .toArray(), k);
    }

    /** Bytes of the text as UTF-8 after zlib at its default level: Python's {@code len(zlib.compress(text))}. */
    static int zlibBytes(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        byte[] chunk = new byte[4096];
        int total = 0;
        try (Deflater deflater = new Deflater()) {
            deflater.setInput(bytes);
            deflater.finish();
            while (!deflater.finished()) {
                total += deflater.deflate(chunk);
            }
        }
        return total;
    }

    private static double[] scores(Attack attack, List<RecordMeasures> records) {
        return records.stream().mapToDouble(attack::score).toArray();
    }

    private static double[] known(double[] scores) {
        return Arrays.stream(scores).filter(score -> !Double.isNaN(score)).toArray();
    }
}
