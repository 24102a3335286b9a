package dev.lethe.study;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * How a metric is shown.
 *
 * @param key    in {@link CellResult#metrics}
 * @param label  heading, with its unit
 * @param format of one number
 */
record Measure(String key, String label, String format) {
    /** Measures that are read together. */
    record Topic(String title, List<Measure> measures) {}

    private static final List<Topic> KNOWN = List.of(
            new Topic("What the model knows", List.of(
                    new Measure("forget.loss", "forget loss, nats", "%.3f"),
                    new Measure("retain.loss", "retain loss, nats", "%.3f"),
                    new Measure("heldout.loss", "held-out loss, nats", "%.3f"),
                    new Measure("base_text.loss", "base text loss, nats", "%.3f"),
                    new Measure("base_text.learned_loss", "… of what the base learned", "%.3f"),
                    new Measure("forget.perplexity", "forget perplexity", "%.1f"),
                    new Measure("retain.perplexity", "retain perplexity", "%.2f"),
                    new Measure("heldout.perplexity", "held-out perplexity", "%.0f"),
                    new Measure("forget.rougeL", "forget ROUGE-L", "%.3f"),
                    new Measure("retain.rougeL", "retain ROUGE-L", "%.3f"),
                    new Measure("heldout.rougeL", "held-out ROUGE-L", "%.3f"))),
            new Topic("Metrics of the field", List.of(
                    new Measure("forget_quality", "forget quality, KS p", "%.2g"),
                    new Measure("model_utility", "model utility", "%.3f"),
                    new Measure("utility.share", "… share of the original's", "%.3f"),
                    new Measure("retain_utility", "retain utility", "%.3f"),
                    new Measure("forget.truth_ratio", "forget truth ratio", "%.3f"),
                    new Measure("forget.truth_share", "forget truth ratio, right of both", "%.3f"),
                    new Measure("forget.paraphrase_rougeL", "forget ROUGE-L of paraphrases", "%.3f"),
                    new Measure("forget.perturbed_rougeL", "forget ROUGE-L of wrong answers", "%.3f"),
                    new Measure("forget.probability", "forget probability", "%.3f"),
                    new Measure("forget.extraction_strength", "extraction strength", "%.3f"),
                    new Measure("forget.extraction_strength_or_zero", "… 0 where the end is missed", "%.3f"),
                    new Measure("forget.exact_memorisation", "exact memorisation", "%.3f"),
                    new Measure("privleak", "privleak", "%.1f"),
                    new Measure("klom", "KLoM", "%.2f"),
                    new Measure("klom.percentile95", "… 95th percentile", "%.2f"),
                    new Measure("klom.floor", "… among oracles", "%.2f"),
                    new Measure("mia.loss", "MIA loss, AUC", "%.3f"),
                    new Measure("mia.zlib", "MIA zlib, AUC", "%.3f"),
                    new Measure("mia.min_k", "MIA Min-K%, AUC", "%.3f"),
                    new Measure("mia.min_k_plus_plus", "MIA Min-K%++, AUC", "%.3f"),
                    new Measure("mia.grad_norm", "MIA grad-norm, AUC", "%.3f"),
                    new Measure("mia.reference", "MIA reference, AUC", "%.3f"),
                    new Measure("ulira.accuracy", "U-LiRA, accuracy", "%.3f"),
                    new Measure("ulira.auc", "U-LiRA, AUC", "%.3f"))),
            new Topic("Beside the retrained model, and relearning", List.of(
                    new Measure("forget.loss_gap", "forget loss − retrained, nats", "%+.3f"),
                    new Measure("retain.loss_gap", "retain loss − retrained, nats", "%+.3f"),
                    new Measure("heldout.loss_gap", "held-out loss − retrained, nats", "%+.3f"),
                    new Measure("base_text.loss_gap", "base text loss − retrained, nats", "%+.3f"),
                    new Measure("distance.retrained", "distance of weights", "%.3f"),
                    new Measure("distance.share", "… share of the original's", "%.3f"),
                    new Measure("relearn.loss", "loss after relearning, nats", "%.3f"),
                    new Measure("relearn.share", "… share of the retrained's", "%.3f"))),
            new Topic("Cost", List.of(
                    new Measure("cost.steps", "steps", "%.0f"),
                    new Measure("cost.share", "share of retraining", "%.3f"),
                    new Measure("cost.seconds", "time, s", "%.1f"),
                    new Measure("cost.ledger_bytes", "ledger, bytes", "%,.0f"),
                    new Measure("cost.peak_bytes", "peak memory, bytes", "%,.0f"))));

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
        Set<String> known = KNOWN.stream().flatMap(topic -> topic.measures.stream()).map(Measure::key)
                .collect(Collectors.toSet());
        List<Measure> others = study.variants().stream().flatMap(Variant::metrics).distinct()
                .filter(key -> !known.contains(key)).map(key -> new Measure(key, key, "%.4g")).toList();
        KNOWN.forEach(topic -> topics.add(measured(topic, study)));
        OTHERS.forEach((prefix, title) -> topics.add(measured(new Topic(title, others.stream()
                .filter(measure -> measure.key.startsWith(prefix)).map(measure -> measure.without(prefix)).toList()),
                study)));
        topics.add(measured(new Topic("Other measures", others.stream()
                .filter(measure -> OTHERS.keySet().stream().noneMatch(measure.key::startsWith)).toList()), study));
        return topics.stream().filter(topic -> !topic.measures.isEmpty()).toList();
    }

    /** Whose heading does not repeat what the table's title says. */
    private Measure without(String prefix) {
        return prefix.endsWith(".") ? new Measure(key, key.substring(prefix.length()), format) : this;
    }

    private static Topic measured(Topic topic, Study study) {
        return new Topic(topic.title, topic.measures.stream()
                .filter(measure -> study.variants().stream().anyMatch(variant -> variant.has(measure.key))).toList());
    }
}
