package dev.lethe.eval;

import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * A model's scores on a set of records.
 *
 * @param meanLoss mean token loss in nats: every target token counts alike, so long records weigh more
 * @param perplexity exp(meanLoss)
 * @param exactMemorisation mean over the records that have one
 * @param extractionStrength mean over the records that have one
 * @param extractionStrengthOrZero mean over the records that have one
 * @param tokens targets of all records
 * @param records one a record, in the order given
 */
public record Evaluation(double meanLoss, double perplexity, double exactMemorisation, double extractionStrength,
                         double extractionStrengthOrZero, long tokens, List<RecordScore> records) {
    public Evaluation {
        records = List.copyOf(records);
    }

    /** Aggregates; an empty list, or one without a target, gives NaN. */
    public static Evaluation of(List<RecordScore> records) {
        long tokens = 0;
        double sum = 0;
        for (RecordScore record : records) {
            tokens += record.tokens();
            sum += record.loss() * record.tokens();
        }
        double meanLoss = tokens == 0 ? Double.NaN : sum / tokens;
        return new Evaluation(meanLoss, Math.exp(meanLoss), mean(records, RecordScore::exactMemorisation),
                mean(records, RecordScore::extractionStrength), mean(records, RecordScore::extractionStrengthOrZero),
                tokens, records);
    }

    private static double mean(List<RecordScore> records, ToDoubleFunction<RecordScore> value) {
        return records.stream().mapToDouble(value).filter(one -> !Double.isNaN(one)).average().orElse(Double.NaN);
    }
}
