package dev.lethe.eval;

import dev.lethe.metric.ForgetQuality;
import dev.lethe.metric.TruthRatio;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * TOFU's metrics of one set, and each record's. Names in brackets are those of OpenUnlearning's configs/eval/tofu_metrics,
 * SET standing for forget, retain, ra or wf.
 *
 * @param set          which
 * @param probability  mean of the records' (SET_Q_A_Prob; ra and wf: SET_Q_A_Prob_normalised)
 * @param rougeLRecall mean of the records', of those that have one (SET_Q_A_ROUGE)
 * @param truthRatio   the records' ratios folded by the set's {@link TruthRatio.Aggregation}, not their mean (SET_Truth_Ratio)
 * @param truthShare   mean of the records' (the same with aggregator prob_mean)
 * @param rightProbability mean of exp(-loss) of the truth ratio's right answers (SET_Q_A_PARA_Prob; ra and wf: SET_Q_A_Prob)
 * @param perturbedProbability mean of exp(-loss) of the wrong answers (SET_Q_A_PERT_Prob)
 * @param paraphraseRougeLRecall mean of the records' that have one (SET_Q_A_PARA_ROUGE); NaN without paraphrases
 * @param perturbedRougeLRecall  mean of the records' that have one (SET_Q_A_PERT_ROUGE)
 * @param truncated    how many answers were cut to the model's context
 * @param records      in the order of the file
 */
public record TofuSetScores(TofuSet set, double probability, double rougeLRecall, double truthRatio, double truthShare,
                            double rightProbability, double perturbedProbability, double paraphraseRougeLRecall,
                            double perturbedRougeLRecall, int truncated, List<TofuRecord> records) {
    public TofuSetScores {
        records = List.copyOf(records);
    }

    /** Means over the records; probability and the folded truth ratio, which are none of a record's value, are given. */
    static TofuSetScores of(TofuSet set, double probability, double truthRatio, int truncated, List<TofuRecord> records) {
        return new TofuSetScores(set, probability, mean(records, TofuRecord::rougeLRecall), truthRatio,
                mean(records, TofuRecord::truthShare), mean(records, record -> Math.exp(-record.rightLoss())),
                mean(records, TofuRecord::perturbedProbability), mean(records, TofuRecord::paraphraseRougeLRecall),
                mean(records, TofuRecord::perturbedRougeLRecall), truncated, records);
    }

    private static double mean(List<TofuRecord> records, ToDoubleFunction<TofuRecord> value) {
        return records.stream().mapToDouble(value).filter(one -> !Double.isNaN(one)).average().orElse(Double.NaN);
    }

    /** Each record's ratio, for {@link ForgetQuality}. */
    public double[] truthRatios() {
        return records.stream().mapToDouble(TofuRecord::truthRatio).toArray();
    }
}
