package dev.lethe.eval;

/**
 * What a model makes of one question. Losses are mean token losses in nats, end of text included.
 *
 * @param id              the record's
 * @param loss            of the answer
 * @param probability     see {@link TofuProbability}: exp(-loss), or the share among the options
 * @param rougeLRecall    of the greedy answer against the record's, words stemmed; NaN where ROUGE cannot read the record's
 * @param truthRatio      see {@link TruthRatio}
 * @param rightLoss       of the truth ratio's right answer: the paraphrase, or the answer itself
 * @param perturbedLosses of the wrong answers
 * @param generated       the greedy answer
 */
public record TofuRecord(String id, double loss, double probability, double rougeLRecall, double truthRatio,
                         double rightLoss, double[] perturbedLosses, String generated) {}
