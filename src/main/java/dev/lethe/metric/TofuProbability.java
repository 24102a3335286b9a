package dev.lethe.metric;

import java.util.Arrays;

/**
 * TOFU's probability of an answer (Maini et al. 2024, arXiv 2401.06121), as OpenUnlearning (evaluate_probability,
 * probability_w_options) computes it from mean token losses in nats: {@code p = exp(-loss)}, the geometric
 * mean of the answer's token probabilities. For questions with wrong answers to choose from (real authors, world facts) it
 * is the right answer's share, {@code p_right / (p_right + sum of p_wrong)}.
 */
public final class TofuProbability {
    private TofuProbability() {}

    /** @param losses mean token loss of each record's answer; the aggregate is the mean of exp(-loss) */
    public static MetricValues of(double[] losses) {
        return MetricValues.mean(Arrays.stream(losses).map(loss -> Math.exp(-loss)).toArray());
    }

    /**
     * @param right losses of the right answers, one a record
     * @param wrong losses of each record's wrong answers
     */
    public static MetricValues amongOptions(double[] right, double[][] wrong) {
        MetricValues.requireSameLength("probability among options", right.length, wrong.length);
        double[] share = new double[right.length];
        for (int i = 0; i < right.length; i++) {
            double mass = 0;
            for (double loss : wrong[i]) {
                mass += Math.exp(-loss);
            }
            double p = Math.exp(-right[i]);
            share[i] = p / (p + mass + TruthRatio.EPSILON);
        }
        return MetricValues.mean(share);
    }
}
