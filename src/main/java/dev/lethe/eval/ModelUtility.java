package dev.lethe.eval;

import dev.lethe.eval.TofuEvaluation.TofuSetScores;
import dev.lethe.eval.TofuSets.TofuSet;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * TOFU's model utility (Maini et al. 2024, arXiv 2401.06121): the harmonic mean of nine numbers, probability, ROUGE-L
 * recall and truth ratio of retain records, real authors and world facts. Where a set was not given the mean is over the
 * parts that are there, and {@code missing} names the others: such a value compares only with one of the same parts.
 *
 * @param value   harmonic mean, 0..1; 0 when a part is 0, NaN without parts
 * @param parts   by name, such as {@code retain.rouge_l_recall}
 * @param missing names of the parts of the nine that were not measured; empty for the field's model utility
 */
public record ModelUtility(double value, Map<String, Double> parts, List<String> missing) {
    public ModelUtility {
        parts = Collections.unmodifiableMap(new LinkedHashMap<>(parts));
        missing = List.copyOf(missing);
    }

    /** Null stands for a set that was not measured. */
    public static ModelUtility of(TofuSetScores retain, TofuSetScores realAuthors, TofuSetScores worldFacts) {
        Map<String, Double> parts = new LinkedHashMap<>();
        List<String> missing = new ArrayList<>();
        add(parts, missing, TofuSet.RETAIN, retain);
        add(parts, missing, TofuSet.REAL_AUTHORS, realAuthors);
        add(parts, missing, TofuSet.WORLD_FACTS, worldFacts);
        return new ModelUtility(harmonicMean(parts.values()), parts, missing);
    }

    private static void add(Map<String, Double> parts, List<String> missing, TofuSet set, TofuSetScores scores) {
        for (String part : List.of("probability", "rouge_l_recall", "truth_ratio")) {
            String name = set.label() + "." + part;
            double value = scores == null ? Double.NaN : switch (part) {
                case "probability" -> scores.probability();
                case "rouge_l_recall" -> scores.rougeLRecall();
                default -> scores.truthRatio();
            };
            if (Double.isNaN(value)) {
                missing.add(name);
            } else {
                parts.put(name, value);
            }
        }
    }

    /** n over the sum of 1/x; equal to scipy.stats.hmean, which refuses what is below 0 as this does. */
    static double harmonicMean(Iterable<Double> values) {
        double inverse = 0;
        int count = 0;
        for (double value : values) {
            if (value < 0) {
                throw new IllegalArgumentException("harmonic mean of " + value + ", which is below 0");
            }
            inverse += 1 / value;
            count++;
        }
        return count == 0 ? Double.NaN : count / inverse;
    }
}
