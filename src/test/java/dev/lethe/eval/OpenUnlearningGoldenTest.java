package dev.lethe.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lethe.engine.Batch;
import dev.lethe.engine.LanguageModel.TokenScores;
import dev.lethe.metric.MetricValues;
import dev.lethe.metric.PrivacyLeak;
import dev.lethe.metric.TruthRatio;
import dev.lethe.results.RecordMetric;
import dev.lethe.text.Example;
import java.io.InputStream;
import java.util.Arrays;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The field's definitions against OpenUnlearning's own functions on fixed logits (src/test/golden/openunlearning.py). */
class OpenUnlearningGoldenTest {
    private static final double FLOAT = 2e-6; // its attacks and exact memorisation go through float32
    private static JsonNode golden;

    @BeforeAll
    static void read() throws Exception {
        try (InputStream in = OpenUnlearningGoldenTest.class.getResourceAsStream("/golden/openunlearning.json")) {
            golden = new JsonMapper().readTree(in);
        }
    }

    @Test
    void oneRecordsScores() {
        for (JsonNode one : golden.get("records")) {
            Example example = example(ints(one.get("ids")), ints(one.get("labels")));
            TokenScores scores = scores(example, one.get("logits"));
            String text = Arrays.stream(example.saidTokens(0)).mapToObj(id -> " w" + id).collect(Collectors.joining());
            assertEquals(one.get("text").asString(), text, "the completion with its leading space");
            RecordMetric.Targets targets = new Evaluator().targets(example, scores, 0, scores.losses()[0], text);
            assertEquals(one.get("avg_loss").asDouble(), RecordMetric.LOSS.of(targets), 1e-12);
            assertEquals(one.get("exact_memorization").asDouble(), RecordMetric.EXACT_MEMORISATION.of(targets), FLOAT);
            assertEquals(one.get("extraction_strength").asDouble(), RecordMetric.EXTRACTION_STRENGTH.of(targets), 1e-12);
            assertEquals(one.get("zlib").asDouble(), RecordMetric.ZLIB.of(targets), 1e-12);
            attacks(one.get("min_k").get("0.4"), targets);
            attacks(one.get("min_k").get("0.2"), new Evaluator().withMinK(0.2).targets(example, scores, 0, 0, null));
        }
    }

    @Test
    void truthRatioInItsThreeForms() {
        for (JsonNode set : golden.get("truth_ratios")) {
            double[] right = doubles(set.get("right"));
            double[][] wrong = set.get("wrong").valueStream().map(OpenUnlearningGoldenTest::doubles).toArray(double[][]::new);
            assertValues(set.get("closer_to_1_better"), TruthRatio.of(right, wrong, TruthRatio.Aggregation.CLOSER_TO_ONE));
            assertValues(set.get("true_better"), TruthRatio.of(right, wrong, TruthRatio.Aggregation.TRUE_BETTER));
            assertValues(set.get("prob_mean"), TruthRatio.shares(right, wrong));
        }
    }

    @Test
    void differencesFromTheRetrainedModel() {
        for (JsonNode one : golden.get("differences")) {
            double score = one.get("score").asDouble();
            double reference = one.get("reference").asDouble();
            assertClose(one.get("privleak").asDouble(), PrivacyLeak.percent(score, reference));
            assertClose(one.get("rel_diff").asDouble(), PrivacyLeak.relativeDifference(score, reference));
            assertClose(one.get("privleak_without").asDouble(), PrivacyLeak.percent(score, PrivacyLeak.NO_RETRAINED));
        }
    }

    private static void attacks(JsonNode wanted, RecordMetric.Targets targets) {
        double minK = RecordMetric.MIN_K.of(targets);
        double plusPlus = RecordMetric.MIN_K_PLUS_PLUS.of(targets);
        assertEquals(wanted.get(0).asDouble(), minK, FLOAT * Math.max(1, Math.abs(minK)));
        assertEquals(wanted.get(1).asDouble(), plusPlus, FLOAT * Math.max(1, Math.abs(plusPlus)));
    }

    /** Its inputs and labels, which are not shifted, as Lethe's. */
    private static Example example(int[] ids, int[] labels) {
        int[] targets = Arrays.stream(labels, 1, labels.length).map(label -> label == -100 ? Batch.IGNORE : label).toArray();
        return new Example("r", 0, Arrays.copyOf(ids, ids.length - 1), targets, false);
    }

    private static TokenScores scores(Example example, JsonNode logits) {
        int length = example.tokens().length;
        double[] logProbability = new double[length];
        double[] mean = new double[length];
        double[] deviation = new double[length];
        boolean[] hit = new boolean[length];
        double loss = 0;
        for (int t = 0; t < length; t++) {
            double[] row = doubles(logits.get(t));
            double sum = Math.log(Arrays.stream(row).map(Math::exp).sum());
            double[] logs = Arrays.stream(row).map(value -> value - sum).toArray();
            mean[t] = Arrays.stream(logs).map(value -> Math.exp(value) * value).sum();
            double square = Arrays.stream(logs).map(value -> Math.exp(value) * value * value).sum();
            deviation[t] = Math.sqrt(square - mean[t] * mean[t]);
            if (example.targets()[t] != Batch.IGNORE) {
                logProbability[t] = logs[example.targets()[t]];
                loss -= logProbability[t] / example.targetCount();
                hit[t] = best(logs) == example.targets()[t];
            }
        }
        return new TokenScores(logProbability, mean, deviation, hit, new double[] {loss});
    }

    private static int best(double[] row) {
        return IntStream.range(0, row.length).boxed().max((a, b) -> Double.compare(row[a], row[b])).orElseThrow();
    }

    private static void assertValues(JsonNode wanted, MetricValues given) {
        assertClose(wanted.get("value").asDouble(), given.aggregate());
        double[] records = doubles(wanted.get("records"));
        assertEquals(records.length, given.records().length);
        for (int i = 0; i < records.length; i++) {
            assertClose(records[i], given.records()[i]);
        }
    }

    private static void assertClose(double wanted, double given) {
        assertEquals(wanted, given, 1e-9 * Math.abs(wanted));
    }

    private static double[] doubles(JsonNode array) {
        return array.valueStream().mapToDouble(JsonNode::asDouble).toArray();
    }

    private static int[] ints(JsonNode array) {
        return array.valueStream().mapToInt(JsonNode::asInt).toArray();
    }
}
