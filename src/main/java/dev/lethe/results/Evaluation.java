package dev.lethe.results;

import com.fasterxml.jackson.annotation.JsonAnyGetter;
import dev.lethe.metric.Auc;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * A model's scores on a set of records.
 *
 * @param meanLoss mean token loss in nats: every target token counts alike, so long records weigh more
 * @param perplexity exp(meanLoss)
 * @param tokens targets of all records
 * @param records one a record, in the order given
 */
public record Evaluation(double meanLoss, double perplexity, long tokens, List<RecordMeasures> records) {
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
        long tokens = records.stream().mapToLong(RecordMeasures::tokens).sum();
        double sum = 0;
        for (RecordMeasures record : records) {
            sum += record.loss() * record.tokens();
        }
        double meanLoss = tokens == 0 ? Double.NaN : sum / tokens;
        return new Evaluation(meanLoss, Math.exp(meanLoss), tokens, records);
    }

    /**
     * {@return one a record, in their order}
     *
     * @param metric which
     */
    public double[] values(RecordMetric metric) {
        return records.stream().mapToDouble(record -> record.of(metric)).toArray();
    }

    /** {@return the mean of each of {@link RecordMetric#means} over the records that have one} */
    public Map<RecordMetric, Double> means() {
        Map<RecordMetric, Double> means = new EnumMap<>(RecordMetric.class);
        RecordMetric.means().forEach(metric -> means.put(metric, Arrays.stream(known(metric)).average().orElse(Double.NaN)));
        return means;
    }

    /**
     * {@return the chance that a record of these, which a model learned or is suspected to have learned, scores below one that it never
     * saw, ties half} 1 = every member is recognised, 0.5 = they cannot be told apart, below = members look less known.
     *
     * @param attack one of {@link RecordMetric#attacks}
     * @param nonMembers records never trained on
     * @throws IllegalArgumentException when a side has no record with a score
     */
    public double auc(RecordMetric attack, Evaluation nonMembers) {
        return Auc.of(nonMembers.known(attack), known(attack));
    }

    private double[] known(RecordMetric metric) {
        return Arrays.stream(values(metric)).filter(value -> !Double.isNaN(value)).toArray();
    }

    /**
     * What a model makes of one record. The loss is over all its target tokens; the rest leaves the last one out, see
     * {@link RecordMetric.Targets}. A record without a target has loss 0 and NaN in the rest, one with a single target NaN in what leaves
     * the last one out (in OpenUnlearning: 0 but for exact memorisation).
     *
     * @param id the record's id
     * @param tokens number of targets
     * @param values one a metric
     */
    public record RecordMeasures(String id, int tokens, @JsonAnyGetter Map<RecordMetric, Double> values) {
        /** Copies its values. */
        public RecordMeasures {
            values = Collections.unmodifiableMap(new EnumMap<>(values));
        }

        /**
         * {@return every metric of a record}
         *
         * @param id of the record
         * @param targets of it under the model
         */
        public static RecordMeasures of(String id, RecordMetric.Targets targets) {
            Map<RecordMetric, Double> values = new EnumMap<>(RecordMetric.class);
            for (RecordMetric metric : RecordMetric.values()) {
                values.put(metric, metric.of(targets));
            }
            return new RecordMeasures(id, targets.count(), values);
        }

        /**
         * {@return its value; NaN where there is none}
         *
         * @param metric which
         */
        public double of(RecordMetric metric) {
            return values.getOrDefault(metric, Double.NaN);
        }

        /** {@return mean of -log p over its targets, nats} */
        public double loss() {
            return of(RecordMetric.LOSS);
        }
    }
}
