package dev.lethe.report;

import dev.lethe.report.ReportData.ErasurePoint;
import dev.lethe.report.ReportData.Influence;
import dev.lethe.report.ReportData.TrainingPoint;
import dev.lethe.results.InfluenceChange;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunJson;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import tools.jackson.databind.JsonNode;

/** Reads what a training and an erasure wrote down: metrics.jsonl and the journal. A log that is not there is empty. */
final class RunLogs {
    private RunLogs() {}

    static List<TrainingPoint> training(RunFolder run) {
        return lines(run.metrics()).stream().map(line -> new TrainingPoint(line.path("step").asLong(), number(line, "loss"),
                number(line, "holdout_loss"))).toList();
    }

    static List<ErasurePoint> erasure(RunFolder run) {
        List<ErasurePoint> points = new ArrayList<>();
        for (JsonNode line : lines(run.journal().resolve("steps.jsonl"))) {
            String action = line.path("action").asString("");
            points.add(new ErasurePoint(line.path("index").asInt(), action, !action.startsWith("ROLL_BACK"),
                    number(line, "forget"), number(line, "retain"), number(line, "held_out")));
        }
        return points;
    }

    /** What proof/proof.json says of this run's model. */
    static ErasureSummary.Attacks attacks(RunFolder run) {
        Path file = run.root().resolve("proof/proof.json");
        JsonNode proof = Files.isRegularFile(file) ? RunJson.read(file, JsonNode.class) : null;
        return proof == null || !proof.path("run").asString("").equals(run.identity()) ? new ErasureSummary.Attacks(null, "")
                : new ErasureSummary.Attacks(proof.path("outcome").asString(), proof.path("verdict").asString());
    }

    static List<Influence> influence(InfluenceChange change) {
        List<Influence> all = new ArrayList<>();
        change.dot().forEach(series -> all.add(series("dot", series)));
        change.cosine().forEach(series -> all.add(series("cosine", series)));
        change.actGrad().forEach(series -> all.add(series("act-grad", series)));
        return all;
    }

    private static Influence series(String measure, InfluenceChange.Series series) {
        return new Influence(measure, series.site(), series.group(), finite(series.before()), finite(series.after()));
    }

    /** NaN where the key is absent or no number; the logs write NaN as a string. */
    static double number(JsonNode node, String key) {
        JsonNode value = node.path(key);
        return value.isNumber() ? value.asDouble() : Double.NaN;
    }

    private static double[] finite(double[] values) {
        return Arrays.stream(values).filter(Double::isFinite).toArray();
    }

    private static List<JsonNode> lines(Path file) {
        return Files.isRegularFile(file) ? RunJson.lines(file, JsonNode.class) : List.of();
    }
}
