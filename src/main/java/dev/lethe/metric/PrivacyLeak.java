package dev.lethe.metric;

/**
 * MUSE's PrivLeak (Shi et al. 2024, arXiv 2407.06460) with OpenUnlearning's sign: the relative difference, in percent, of
 * a membership attack's AUC between the unlearned model and one retrained without the forget records. MUSE's AUC is 1
 * minus ours (1 = members recognised), so {@code ((1 - auc) - (1 - retrained)) / (1 - retrained) * 100}. 0: as the
 * retrained model; below 0: forget records still look trained-on; above 0: they look less known than records never seen.
 * The field takes the AUC of Min-K%. Its code, and the plain {@link #relativeDifference}: privleak and rel_diff in
 * src/evals/metrics/privacy.py of OpenUnlearning.
 */
public final class PrivacyLeak {
    /** The retrained model's AUC where there is no retrained model: OpenUnlearning's ref_value. */
    public static final double NO_RETRAINED = 0.5;

    private PrivacyLeak() {}

    /**
     * @param auc       of a membership attack on the unlearned model, 1 = every member recognised
     * @param retrained of the same attack on the retrained model
     * @return percent
     */
    public static double percent(double auc, double retrained) {
        return relativeDifference(1 - auc, 1 - retrained);
    }

    /** OpenUnlearning's rel_diff: how far a score is from the retrained model's, in percent of that. */
    public static double relativeDifference(double score, double retrained) {
        return (score - retrained) / (retrained + TruthRatio.EPSILON) * 100;
    }
}
