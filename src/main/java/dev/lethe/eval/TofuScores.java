package dev.lethe.eval;

import dev.lethe.metric.ForgetQuality;

/**
 * TOFU's evaluation of one model. A set that was not given is null.
 *
 * @param utility over the retain, real-author and world-fact parts that are there
 */
public record TofuScores(TofuSetScores forget, TofuSetScores retain, TofuSetScores realAuthors, TofuSetScores worldFacts,
                         ModelUtility utility) {
    /**
     * Compares the forget set's truth ratios with a retrained model's.
     *
     * @throws IllegalArgumentException when one of the two has no forget set, or they are of other records
     */
    public ForgetQuality forgetQuality(TofuScores retrained) {
        if (forget == null || retrained.forget == null) {
            throw new IllegalArgumentException("forget quality needs the forget set under both models");
        }
        if (!forget.records().stream().map(TofuRecord::id).toList()
                .equals(retrained.forget.records().stream().map(TofuRecord::id).toList())) {
            throw new IllegalArgumentException("forget quality: the two models were measured on other records");
        }
        return ForgetQuality.of(forget.truthRatios(), retrained.forget.truthRatios());
    }
}
