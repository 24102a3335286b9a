package dev.lethe.eval;

import dev.lethe.metric.TofuProbability;
import dev.lethe.metric.TruthRatio;
import java.util.Arrays;

/**
 * What a model makes of one question. Losses are mean token losses in nats, end of text included.
 *
 * @param id              the record's
 * @param loss            of the answer
 * @param probability     see {@link TofuProbability}: exp(-loss), or the share among the options
 * @param rougeLRecall    of the greedy answer against the record's, words stemmed; NaN where ROUGE cannot read the record's
 * @param truthRatio      see {@link TruthRatio}
 * @param truthShare      see {@link TruthRatio#shares}
 * @param rightLoss       of the truth ratio's right answer: the paraphrase, or the answer itself
 * @param perturbedLosses of the wrong answers
 * @param paraphraseRougeLRecall of the greedy answer against the paraphrase; NaN without one, or where ROUGE cannot read it
 * @param perturbedRougeLRecall  of the greedy answer against each wrong answer, mean over those that ROUGE can read
 * @param generated       the greedy answer
 */
public record TofuRecord(String id, double loss, double probability, double rougeLRecall, double truthRatio,
                         double truthShare, double rightLoss, double[] perturbedLosses, double paraphraseRougeLRecall,
                         double perturbedRougeLRecall, String generated) {
    /** Mean over the wrong answers of exp(-loss): OpenUnlearning's Q_A_PERT_Prob. */
    double perturbedProbability() {
        return Arrays.stream(perturbedLosses).map(one -> Math.exp(-one)).average().orElse(Double.NaN);
    }
}
