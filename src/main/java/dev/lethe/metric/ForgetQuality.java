package dev.lethe.metric;

/**
 * TOFU's forget quality (Maini et al. 2024, arXiv 2401.06121): the p-value of a two-sample Kolmogorov-Smirnov test between
 * the truth ratios of the forget records under the unlearned model and under one retrained without them. High: the two
 * cannot be told apart by it. It is no proof of forgetting; with few records it misses much, and
 * {@code leastSignificant} says how much. In OpenUnlearning: ks_test of src/evals/metrics/privacy.py.
 *
 * @param pValue           0..1
 * @param statistic        the distance D of the two empirical distribution functions
 * @param leastSignificant the smallest D with p below 0.05 for so many records: a smaller difference goes unseen
 */
public record ForgetQuality(double pValue, double statistic, double leastSignificant) {
    private static final double LEVEL = 0.05;

    /**
     * @param truthRatios {@link TruthRatio} of each forget record under the model
     * @param retrained   the same under the retrained model
     */
    public static ForgetQuality of(double[] truthRatios, double[] retrained) {
        KolmogorovSmirnov.Test test = KolmogorovSmirnov.test(truthRatios, retrained);
        return new ForgetQuality(test.pValue(), test.statistic(),
                KolmogorovSmirnov.leastSignificant(truthRatios.length, retrained.length, LEVEL));
    }
}
