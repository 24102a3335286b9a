package dev.lethe.eval;

import java.util.List;

/**
 * TOFU's three metrics of one set, and each record's.
 *
 * @param set          which
 * @param probability  mean of the records'
 * @param rougeLRecall mean of the records', of those that have one
 * @param truthRatio   the records' ratios folded by the set's {@link TruthRatio.Aggregation}; not their mean
 * @param truncated    how many answers were cut to the model's context
 * @param records      in the order of the file
 */
public record TofuSetScores(TofuSet set, double probability, double rougeLRecall, double truthRatio, int truncated,
                            List<TofuRecord> records) {
    public TofuSetScores {
        records = List.copyOf(records);
    }

    /** Each record's ratio, for {@link ForgetQuality}. */
    public double[] truthRatios() {
        return records.stream().mapToDouble(TofuRecord::truthRatio).toArray();
    }
}
