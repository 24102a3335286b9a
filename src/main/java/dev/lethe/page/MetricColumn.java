package dev.lethe.page;

import dev.lethe.results.RecordMetric;
import dev.lethe.spec.CellResult;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * How a metric is shown.
 *
 * @param key    in {@link CellResult#metrics}
 * @param label  heading, with its unit
 * @param format of one number
 */
record MetricColumn(String key, String label, String format) {
    /** Measures that are read together. */
    record Topic(String title, List<MetricColumn> measures) {
        /** As many as fit a page each; none of an empty one. */
        Stream<Topic> parts() {
            int parts = (measures.size() + WIDEST - 1) / WIDEST;
            return IntStream.range(0, parts).mapToObj(i -> new Topic(title + (parts == 1 ? "" : " (" + (i + 1) + " of " + parts + ")"),
                    measures.subList(i * measures.size() / parts, (i + 1) * measures.size() / parts)));
        }
    }

    private static final int WIDEST = 7;

    private static final List<Topic> KNOWN = List.of(
            new Topic("What the model knows", List.of(
                    new MetricColumn("forget.loss", "forget loss, nats", "%.3f"),
                    new MetricColumn("retain.loss", "retain loss, nats", "%.3f"),
                    new MetricColumn("heldout.loss", "held-out loss, nats", "%.3f"),
                    new MetricColumn("base_text.loss", "base text loss, nats", "%.3f"),
                    new MetricColumn("base_text.learned_loss", "… of what the base learned", "%.3f"),
                    new MetricColumn("forget.perplexity", "forget perplexity", "%.1f"),
                    new MetricColumn("retain.perplexity", "retain perplexity", "%.2f"),
                    new MetricColumn("heldout.perplexity", "held-out perplexity", "%.0f"),
                    new MetricColumn("forget.rougeL", "forget ROUGE-L", "%.3f"),
                    new MetricColumn("retain.rougeL", "retain ROUGE-L", "%.3f"),
                    new MetricColumn("heldout.rougeL", "held-out ROUGE-L", "%.3f"))),
            new Topic("Metrics of the field", List.of(
                    new MetricColumn("forget_quality", "forget quality, KS p", "%.2g"),
                    new MetricColumn("model_utility", "model utility", "%.3f"),
                    new MetricColumn("utility.share", "… share of the original's", "%.3f"),
                    new MetricColumn("retain_utility", "retain utility", "%.3f"),
                    new MetricColumn("forget.truth_ratio", "forget truth ratio", "%.3f"),
                    new MetricColumn("forget.truth_share", "forget truth ratio, right of both", "%.3f"),
                    new MetricColumn("forget.paraphrase_rougeL", "forget ROUGE-L of paraphrases", "%.3f"),
                    new MetricColumn("forget.perturbed_rougeL", "forget ROUGE-L of wrong answers", "%.3f"),
                    new MetricColumn("forget.probability", "forget probability", "%.3f"),
                    new MetricColumn("privleak", "privleak", "%.1f"),
                    new MetricColumn("klom", "KLoM", "%.2f"),
                    new MetricColumn("klom.percentile95", "… 95th percentile", "%.2f"),
                    new MetricColumn("klom.floor", "… among oracles", "%.2f"),
                    new MetricColumn("ulira.accuracy", "U-LiRA, accuracy", "%.3f"),
                    new MetricColumn("ulira.auc", "U-LiRA, AUC", "%.3f"))),
            new Topic("Memorisation and membership inference", Stream.of(
                    RecordMetric.means().stream().map(one -> new MetricColumn("forget." + one.label(), one.heading(), "%.3f")),
                    RecordMetric.attacks().stream().map(one -> attack(one.label(), one.title())),
                    Stream.of(attack("reference", "reference"))).flatMap(all -> all).toList()),
            new Topic("Beside the retrained model, and relearning", List.of(
                    new MetricColumn("forget.loss_gap", "forget loss − retrained, nats", "%+.3f"),
                    new MetricColumn("retain.loss_gap", "retain loss − retrained, nats", "%+.3f"),
                    new MetricColumn("heldout.loss_gap", "held-out loss − retrained, nats", "%+.3f"),
                    new MetricColumn("base_text.loss_gap", "base text loss − retrained, nats", "%+.3f"),
                    new MetricColumn("distance.retrained", "distance of weights", "%.3f"),
                    new MetricColumn("distance.share", "… share of the original's", "%.3f"),
                    new MetricColumn("relearn.loss", "loss after relearning, nats", "%.3f"),
                    new MetricColumn("relearn.share", "… share of the retrained's", "%.3f"))),
            new Topic("Cost", List.of(
                    new MetricColumn("cost.steps", "steps", "%.0f"),
                    new MetricColumn("cost.share", "share of retraining", "%.3f"),
                    new MetricColumn("cost.seconds", "time, s", "%.1f"),
                    new MetricColumn("cost.ledger_bytes", "ledger, MB", "%,.1f"),
                    new MetricColumn("cost.peak_bytes", "peak memory, MB", "%,.0f"))));

    private static MetricColumn attack(String label, String title) {
        return new MetricColumn("mia." + label, "MIA " + title + ", AUC", "%.3f");
    }

    /** Measures without a heading of their own, by how their keys begin. */
    private static final Map<String, String> OTHERS = others();

    private static Map<String, String> others() {
        Map<String, String> others = new LinkedHashMap<>();
        others.put("influence", "Influence");
        others.put("sequential.", "After the last request");
        others.put("again.", "Trained further, then erased again");
        return others;
    }

    /** The known topics with what was measured of them, then whatever else was measured. */
    static List<Topic> of(Study study) {
        List<Topic> topics = new ArrayList<>();
        Set<String> known = KNOWN.stream().flatMap(topic -> topic.measures.stream()).map(MetricColumn::key)
                .collect(Collectors.toSet());
        List<MetricColumn> others = study.variants().stream().flatMap(Variant::metrics).distinct()
                .filter(key -> !known.contains(key)).map(key -> new MetricColumn(key, key, "%.4g")).toList();
        KNOWN.forEach(topic -> topics.add(measured(topic, study)));
        OTHERS.forEach((prefix, title) -> topics.add(measured(new Topic(title, others.stream()
                .filter(measure -> measure.key.startsWith(prefix)).map(measure -> measure.without(prefix)).toList()),
                study)));
        topics.add(measured(new Topic("Other measures", others.stream()
                .filter(measure -> OTHERS.keySet().stream().noneMatch(measure.key::startsWith)).toList()), study));
        return topics.stream().flatMap(Topic::parts).toList();
    }

    /** Whose heading does not repeat what the table's title says. */
    private MetricColumn without(String prefix) {
        return prefix.endsWith(".") ? new MetricColumn(key, key.substring(prefix.length()), format) : this;
    }

    private static Topic measured(Topic topic, Study study) {
        return new Topic(topic.title, topic.measures.stream()
                .filter(measure -> study.variants().stream().anyMatch(variant -> variant.has(measure.key))).toList());
    }
}
