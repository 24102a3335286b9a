package dev.lethe.results;

import dev.lethe.metric.Memorisation;
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
                         double extractionStrengthOrZero, long tokens, List<RecordMeasures> records) {
    /** Copies its lists. */
    public Evaluation {
        records = List.copyOf(records);
    }

    /**
     * Aggregates; an empty list, or one without a target, gives NaN.
     *
     * @param records one a record
     * @return the measures
     */
    public static Evaluation of(List<RecordMeasures> records) {
        long tokens = 0;
        double sum = 0;
        for (RecordMeasures record : records) {
            tokens += record.tokens();
            sum += record.loss() * record.tokens();
        }
        double meanLoss = tokens == 0 ? Double.NaN : sum / tokens;
        return new Evaluation(meanLoss, Math.exp(meanLoss), mean(records, RecordMeasures::exactMemorisation),
                mean(records, RecordMeasures::extractionStrength), mean(records, RecordMeasures::extractionStrengthOrZero),
                tokens, records);
    }

    private static double mean(List<RecordMeasures> records, ToDoubleFunction<RecordMeasures> value) {
        return records.stream().mapToDouble(value).filter(one -> !Double.isNaN(one)).average().orElse(Double.NaN);
    }

    /**
     * What a model makes of one record. The loss is over all its target tokens; memorisation and Min-K% leave the last one
     * out, which is the end of text unless the record was cut or its tokenizer has none: so OpenUnlearning's
     * tokenwise_logprobs and tokenwise_vocab_logprobs (src/evals/metrics/utils.py). A record without a target has loss 0 and
     * NaN in the rest, one with a single target NaN in what leaves the last one out (there: 0 but for exact memorisation).
     *
     * @param id the record's id
     * @param loss mean of -log p over its targets, in nats
     * @param tokens number of targets
     * @param exactMemorisation see {@link Memorisation#exact}
     * @param extractionStrength see {@link Memorisation#extractionStrength}
     * @param extractionStrengthOrZero see {@link Memorisation#extractionStrengthOrZero}
     * @param minK see {@link dev.lethe.eval.MembershipInference.Attack#MIN_K}
     * @param minKPlusPlus see {@link dev.lethe.eval.MembershipInference.Attack#MIN_K_PLUS_PLUS}
     * @param zlibBytes compressed size of what it says, 0 when the text was not given
     */
    public record RecordMeasures(String id, double loss, int tokens, double exactMemorisation, double extractionStrength,
                              double extractionStrengthOrZero, double minK, double minKPlusPlus, int zlibBytes) {
        /** {@return loss over compressed size} NaN without a text or without targets. */
        public double zlibRatio() {
            return zlibBytes == 0 || tokens == 0 ? Double.NaN : loss / zlibBytes;
        }
    }
}
