package dev.lethe.cli;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.eval.TofuEvaluation.TofuRecord;
import dev.lethe.eval.TofuEvaluation.TofuSetScores;
import dev.lethe.metric.ForgetQuality;
import dev.lethe.metric.PrivacyLeak;
import dev.lethe.results.RecordMetric;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A model's TOFU metrics beside those of one that never learned the forget records.
 *
 * @param reference     where its numbers are from; null without one
 * @param forgetQuality of the truth ratios of the forget set; null without a reference
 * @param privleak      of the AUC of Min-K%, percent; beside {@link PrivacyLeak#NO_RETRAINED} without a reference; NaN where
 *                      an AUC is missing
 * @param relDiff       each metric of the forget set that both have: how far it is from the reference's, in percent of that
 */
record AgainstReference(String reference, ForgetQuality forgetQuality, double privleak, Map<String, Double> relDiff) {
    private static final String MIN_K = attack(RecordMetric.MIN_K);

    /** Names of metrics here, and in OpenUnlearning's TOFU_EVAL.json. */
    private static final Map<String, String> FIELDS = fields();

    private static Map<String, String> fields() {
        Map<String, String> fields = new LinkedHashMap<>(Map.of("probability", "forget_Q_A_Prob", "rouge_l_recall", "forget_Q_A_ROUGE",
                "truth_ratio", "forget_truth_ratio"));
        RecordMetric.means().forEach(metric -> fields.put(metric.label(), metric.field()));
        RecordMetric.attacks().forEach(metric -> fields.put(attack(metric), metric.field()));
        return fields;
    }

    private static String attack(RecordMetric metric) {
        return "membership_auc." + metric.label();
    }

    /** What is compared: the forget records' truth ratios, and aggregates by their name here. */
    private record Side(String name, double[] truthRatios, Map<String, Double> metrics) {}

    /** Beside no reference: what OpenUnlearning still gives. */
    static AgainstReference none(EvalResult mine) {
        Double auc = mine.membershipAuc().get(RecordMetric.MIN_K);
        return new AgainstReference(null, null, auc == null ? Double.NaN : PrivacyLeak.percent(auc, PrivacyLeak.NO_RETRAINED),
                Map.of());
    }

    /** Beside a reference that was measured in the same way. */
    static AgainstReference of(EvalResult mine, EvalResult reference) {
        return of(side(mine), side(reference));
    }

    /**
     * Beside an evaluation that was kept.
     *
     * @param file JSON of {@code lethe eval --tofu}, or OpenUnlearning's TOFU_EVAL.json
     * @throws BadInputException when it is neither, or of another number of records
     */
    static AgainstReference of(EvalResult mine, Path file) {
        return of(side(mine), read(file));
    }

    private static AgainstReference of(Side mine, Side other) {
        if (mine.truthRatios.length != other.truthRatios.length) {
            throw new BadInputException(other.name + ": measured on " + other.truthRatios.length
                    + " records to forget, the model on " + mine.truthRatios.length + "; measure both on the same");
        }
        Map<String, Double> relDiff = new LinkedHashMap<>();
        mine.metrics.forEach((name, value) -> {
            if (other.metrics.containsKey(name)) {
                relDiff.put(name, PrivacyLeak.relativeDifference(value, other.metrics.get(name)));
            }
        });
        double leak = mine.metrics.containsKey(MIN_K) && other.metrics.containsKey(MIN_K)
                ? PrivacyLeak.percent(mine.metrics.get(MIN_K), other.metrics.get(MIN_K)) : Double.NaN;
        return new AgainstReference(other.name, ForgetQuality.of(mine.truthRatios, other.truthRatios), leak, relDiff);
    }

    private static Side side(EvalResult result) {
        TofuSetScores forget = result.tofu().forget();
        Map<String, Double> metrics = new LinkedHashMap<>();
        result.means().forEach((metric, mean) -> metrics.put(metric.label(), mean));
        metrics.put("probability", forget.probability());
        metrics.put("rouge_l_recall", forget.rougeLRecall());
        metrics.put("truth_ratio", forget.truthRatio());
        result.membershipAuc().forEach((attack, auc) -> metrics.put(attack(attack), auc));
        metrics.values().removeIf(value -> value.isNaN());
        return new Side(result.run(), forget.records().stream().mapToDouble(TofuRecord::truthRatio).toArray(), metrics);
    }

    private static Side read(Path file) {
        JsonNode json;
        try {
            json = JsonMapper.shared().readTree(Files.readString(file));
        } catch (IOException | JacksonException e) {
            throw new BadInputException(file + ": not a readable JSON file: " + Reason.of(e, file), e);
        }
        Map<String, Double> metrics = new LinkedHashMap<>();
        JsonNode ratios = json.path("forget_truth_ratio").path("value_by_index");
        if (ratios.isObject()) {
            FIELDS.forEach((name, field) -> put(metrics, name, json.path(field).path("agg_value")));
            return new Side(file.toString(), numbers(file, ratios.valueStream(), "score"), metrics);
        }
        JsonNode forget = json.path("tofu").path("forget");
        FIELDS.keySet().forEach(name -> put(metrics, name, forget.path(name)));
        FIELDS.keySet().forEach(name -> put(metrics, name, json.at("/" + name.replace('.', '/'))));
        return new Side(file.toString(), numbers(file, forget.path("records").valueStream(), "truth_ratio"), metrics);
    }

    private static void put(Map<String, Double> metrics, String name, JsonNode value) {
        if (value.isNumber()) {
            metrics.put(name, value.asDouble());
        }
    }

    private static double[] numbers(Path file, Stream<JsonNode> records, String key) {
        List<JsonNode> nodes = records.map(one -> one.path(key)).toList();
        if (nodes.isEmpty() || !nodes.stream().allMatch(JsonNode::isNumber)) {
            throw new BadInputException(file + ": has no truth ratios of forget records; give the JSON of lethe eval --tofu,"
                    + " or OpenUnlearning's TOFU_EVAL.json with forget_truth_ratio in it");
        }
        return nodes.stream().mapToDouble(JsonNode::asDouble).toArray();
    }
}
