package dev.lethe.results;

import dev.lethe.metric.Memorisation;
import dev.lethe.metric.MembershipScores;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * What one forward pass tells of how well a model knows a record: one number a record, NaN where there is none. Whoever lists such
 * numbers (eval, studies, reports, proofs) asks these constants. Definitions are OpenUnlearning's where it has one. They leave out what a
 * model says by itself, as ROUGE judges it.
 */
public enum RecordMetric {
    /** Share of targets that greedy choice hits. */
    EXACT_MEMORISATION("exact memorisation", "", false, "exact_memorization", "Tirumala 2022, arXiv 2205.10770",
            of -> Memorisation.exact(of.hits)),
    /** One less the share of the shortest prefix after which all are hit. */
    EXTRACTION_STRENGTH("extraction strength", "", false, "extraction_strength", "Carlini 2021, arXiv 2012.07805",
            of -> Memorisation.extractionStrength(of.hits)),
    /** The same, 0 where the last target is missed. */
    EXTRACTION_STRENGTH_OR_ZERO("extraction strength or zero", "", false, null, "ours",
            of -> Memorisation.extractionStrengthOrZero(of.hits)),
    /** Mean of -log p over all targets; 0 for a record without any. */
    LOSS("loss", "nats", true, "mia_loss", "Yeom 2018", of -> of.loss),
    /** Mean of -log p over the share k of the targets that is least likely. */
    MIN_K("Min-K%", "nats", true, "mia_min_k", "arXiv 2310.16789", of -> MembershipScores.minK(of.logProbability, of.k)),
    /** The same of log-probabilities standardised under their prediction. */
    MIN_K_PLUS_PLUS("Min-K%++", "deviations", true, "mia_min_k_plus_plus", "arXiv 2404.02936",
            of -> MembershipScores.minKPlusPlus(of.logProbability, of.mean, of.deviation, of.k)),
    /** Loss over the zlib size of what the targets spell, its leading space included. */
    ZLIB("zlib", "nats a byte", true, "mia_zlib", "Carlini 2021, arXiv 2012.07805",
            of -> of.text == null || of.count == 0 ? Double.NaN : of.loss / MembershipScores.zlibBytes(of.text));

    private final String title;
    private final String unit;
    private final boolean membership;
    private final @Nullable String field;
    private final String source;
    private final ToDoubleFunction<Targets> formula;

    RecordMetric(String title, String unit, boolean membership, @Nullable String field, String source, ToDoubleFunction<Targets> formula) {
        this.title = title;
        this.unit = unit;
        this.membership = membership;
        this.field = field;
        this.source = source;
        this.formula = formula;
    }

    /**
     * A record's targets under a model. Arrays are over the targets but the last, which is the end of text unless the record was cut or its
     * tokenizer has none: so OpenUnlearning's tokenwise_logprobs and tokenwise_vocab_logprobs (src/evals/metrics/utils.py).
     *
     * @param count of all targets
     * @param loss mean of -log p over all targets, nats; 0 where there is none
     * @param logProbability log p
     * @param mean of the log-probabilities of the vocabulary under the prediction
     * @param deviation their standard deviation
     * @param hits whether the target is the most probable token
     * @param text what the targets spell without the end of text; null where it is not known
     * @param k the share of targets that Min-K% and Min-K%++ look at
     */
    public record Targets(int count, double loss, double[] logProbability, double[] mean, double[] deviation, boolean[] hits,
                          @Nullable String text, double k) { }

    /** {@return those that are high for what is known and are told by their mean over records} */
    public static List<RecordMetric> means() {
        return Arrays.stream(values()).filter(metric -> !metric.membership).toList();
    }

    /** {@return those that are low for what was learned, as losses are, and are told by the AUC of members beside others} */
    public static List<RecordMetric> attacks() {
        return Arrays.stream(values()).filter(metric -> metric.membership).toList();
    }

    /**
     * {@return its value}
     *
     * @param targets of one record
     */
    public double of(Targets targets) { return formula.applyAsDouble(targets); }

    /** {@return its name in JSON and tables of numbers} */
    public String label() { return name().toLowerCase(Locale.ROOT); }

    /** {@return its name for people} */
    public String title() { return title; }

    /** {@return of a record's value; empty of a share} */
    public String unit() { return unit; }

    /** {@return its name for people, with the unit} */
    public String heading() { return unit.isEmpty() ? title : title + ", " + unit; }

    /** {@return its name in OpenUnlearning's results; of one of ours the label} */
    public String field() { return field == null ? label() : field; }

    /** {@return where the formula is from} */
    public String source() { return source; }

    @Override
    public String toString() { return label(); } // a key of JSON
}
