package dev.lethe.metric;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * TOFU's truth ratio (Maini et al. 2024, arXiv 2401.06121), as OpenUnlearning computes it:
 * {@code x = exp(-mean of the wrong answers' losses) / exp(-loss of a right answer)}, losses in nats a token. The right
 * answer is a paraphrase of the learned one where the records were learned (forget, retain), else the answer itself. A
 * model that knows the answer has x below 1. OpenUnlearning's third form, its "prob_mean", is a share instead,
 * {@link #shares}. Its code: truth_ratio in src/evals/metrics/memorization.py.
 */
public final class TruthRatio {
    /** What OpenUnlearning adds to every denominator; it shows only where a probability is as small. */
    static final double EPSILON = 1e-10;

    private TruthRatio() {}

    /** How the ratios of a set become one number; higher is better in both. */
    public enum Aggregation {
        /** Forget set: best, 1, when wrong and right are equally likely: mean of min(x, 1/x). */
        CLOSER_TO_ONE,
        /** Records whose truth should stay known: mean of max(0, 1 - x). */
        TRUE_BETTER;

        /** One record's part of the aggregate, 0..1. */
        public double of(double ratio) {
            return switch (this) {
                case CLOSER_TO_ONE -> Math.min(ratio, 1 / (ratio + EPSILON));
                case TRUE_BETTER -> Math.max(0, 1 - ratio);
            };
        }
    }

    /**
     * @param right loss of a right answer, one a record
     * @param wrong losses of each record's wrong answers, at least one
     * @return the ratios x themselves, for {@link ForgetQuality}; only the aggregate is folded
     */
    public static MetricValues of(double[] right, double[][] wrong, Aggregation aggregation) {
        MetricValues.requireSameLength("truth ratio", right.length, wrong.length);
        double[] ratios = IntStream.range(0, right.length).mapToDouble(i -> ratio(right[i], wrong[i])).toArray();
        return new MetricValues(Arrays.stream(ratios).map(aggregation::of).average().orElse(Double.NaN), ratios);
    }

    /**
     * The form of OpenUnlearning's meta-evaluation, aggregator "prob_mean": of each record
     * {@code exp(-right) / (exp(-right) + exp(-mean of wrong))}, 0..1, high where the model knows the answer; the aggregate
     * is the mean.
     *
     * @param right loss of a right answer, one a record
     * @param wrong losses of each record's wrong answers, at least one
     */
    public static MetricValues shares(double[] right, double[][] wrong) {
        MetricValues.requireSameLength("truth ratio", right.length, wrong.length);
        return MetricValues.mean(IntStream.range(0, right.length).mapToDouble(i -> {
            double p = Math.exp(-right[i]);
            return p / (p + Math.exp(-meanLoss(wrong[i])) + EPSILON);
        }).toArray());
    }

    private static double ratio(double right, double[] wrong) {
        return Math.exp(-meanLoss(wrong)) / (Math.exp(-right) + EPSILON);
    }

    private static double meanLoss(double[] wrong) {
        if (wrong.length == 0) {
            throw new IllegalArgumentException("truth ratio of a record without a wrong answer");
        }
        return Arrays.stream(wrong).sum() / wrong.length;
    }
}
