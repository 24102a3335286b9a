package dev.lethe.page;

import dev.lethe.results.RecordMetric;
import java.util.Set;

/** What a number can be, in one place: where it ends, on what scale its seeds are alike, in what unit a person reads it. */
public enum Quantity {
    /** Differences, and what nobody knows the ends of. */
    ANY(Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY, 1),
    /** Losses, ratios, distances, seconds, counts: by the logarithm. */
    POSITIVE(0, Double.POSITIVE_INFINITY, 1),
    /** As these, and nowhere below 1. */
    PERPLEXITY(1, Double.POSITIVE_INFINITY, 1),
    /** Areas under curves, accuracies, overlaps, probabilities: by the log odds. */
    SHARE(0, 1, 1),
    /** As positive numbers; shown in MB of 10⁶. */
    BYTES(0, Double.POSITIVE_INFINITY, 1e-6);

    /** For a page: what kind of intervals it has. */
    static final String INTERVALS = "Student's t: of losses, perplexities, ratios, times and sizes on their logarithm, of shares and"
            + " areas under curves on their log odds, of differences as they are; where a seed is at its range's end (0, or 1 of"
            + " a share) as it is, and cut there";
    private static final Set<String> SHARES = Set.of("model_utility", "retain_utility", "forget_quality", "reached");

    final double least;
    final double most;
    final double unit;

    Quantity(double least, double most, double unit) {
        this.least = least;
        this.most = most;
        this.unit = unit;
    }

    /** Of a metric by its name, {@code sequential.forget.loss} as {@code forget.loss}; what is not known can be anything. */
    public static Quantity of(String metric) {
        String last = metric.substring(metric.lastIndexOf('.') + 1);
        if (last.endsWith("_bytes")) {
            return BYTES;
        } else if (last.equals("perplexity")) {
            return PERPLEXITY;
        } else if (SHARES.contains(last) || last.endsWith("rougeL") || last.endsWith("probability") || last.equals("truth_share")
                || metric.contains("mia.") || metric.contains("ulira.")) {
            return SHARE;
        }
        for (RecordMetric one : RecordMetric.means()) {
            if (last.equals(one.label())) {
                return one.unit().isEmpty() ? SHARE : POSITIVE;
            }
        }
        return last.equals("loss") || last.equals("learned_loss") || last.equals("share") || last.equals("truth_ratio")
                || metric.contains(".loss.") || metric.contains("klom") || metric.contains("cost.")
                || metric.contains("distance.") ? POSITIVE : ANY;
    }

    /** Where seeds scatter alike around their middle; not finite at the range's ends. */
    double scale(double value) {
        return switch (this) {
            case ANY -> value;
            case SHARE -> Math.log(value / (1 - value));
            case POSITIVE, PERPLEXITY, BYTES -> Math.log(value);
        };
    }

    /** From there. */
    double back(double scaled) {
        return switch (this) {
            case ANY -> scaled;
            case SHARE -> 1 / (1 + Math.exp(-scaled));
            case POSITIVE, PERPLEXITY, BYTES -> Math.exp(scaled);
        };
    }
}
