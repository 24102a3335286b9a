package dev.lethe.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.eval.TofuEvaluation.ModelUtility;
import dev.lethe.eval.TofuEvaluation.TofuSetScores;
import dev.lethe.metric.Auc;
import dev.lethe.metric.ForgetQuality;
import dev.lethe.metric.ForgetQuality.KolmogorovSmirnov;
import dev.lethe.metric.Klom;
import dev.lethe.metric.LogitMargin;
import dev.lethe.metric.MetricValues;
import dev.lethe.metric.PrivacyLeak;
import dev.lethe.metric.TofuProbability;
import dev.lethe.metric.TruthRatio;
import dev.lethe.metric.ULira;
import java.io.InputStream;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The unlearning metrics against scipy, scikit-learn and the benchmarks' formulas (src/test/golden/unlearning.py). */
class UnlearningGoldenTest {
    private static final double RELATIVE = 1e-9;
    private static final double ZERO = 1e-290; // p-values go down to 1e-239 here, and keep their digits
    private static JsonNode golden;

    @BeforeAll
    static void read() throws Exception {
        try (InputStream in = UnlearningGoldenTest.class.getResourceAsStream("/golden/unlearning.json")) {
            golden = new JsonMapper().readTree(in);
        }
    }

    @Test
    void kolmogorovSmirnovEqualsScipysExactTest() {
        for (JsonNode pair : golden.get("kolmogorov_smirnov")) {
            KolmogorovSmirnov.Test test = KolmogorovSmirnov.test(doubles(pair.get("a")), doubles(pair.get("b")));
            assertClose(pair.get("statistic").asDouble(), test.statistic());
            assertClose(pair.get("p").asDouble(), test.pValue());
        }
        assertThrows(IllegalArgumentException.class, () -> KolmogorovSmirnov.test(new double[0], new double[1]));
        assertThrows(IllegalArgumentException.class,
                () -> KolmogorovSmirnov.test(new double[1], new double[] {Double.NaN}));
    }

    @Test
    void forgetQualitySaysWhatSoFewRecordsCannotShow() {
        double[] twenty = IntStream.range(0, 20).mapToDouble(i -> i).toArray();
        assertEquals(new ForgetQuality(1, 0, 0.45), ForgetQuality.of(twenty, twenty)); // tables: D of 9/20 for n = m = 20
        assertTrue(Double.isNaN(ForgetQuality.of(new double[] {1, 2}, new double[] {3, 4}).leastSignificant()));
        double[] shifted = Arrays.stream(twenty).map(value -> value + 8.5).toArray(); // D = 9/20, the least that shows
        assertTrue(ForgetQuality.of(twenty, shifted).pValue() < 0.05);
        assertTrue(ForgetQuality.of(twenty, Arrays.stream(twenty).map(value -> value + 7.5).toArray()).pValue() >= 0.05);
    }

    @Test
    void probabilityAndTruthRatioEqualOpenUnlearnings() {
        for (JsonNode set : golden.get("tofu")) {
            double[] own = doubles(set.get("own"));
            double[] right = doubles(set.get("right"));
            double[][] wrong = matrix(set.get("wrong"));
            assertValues(set, "probability", "probability_mean", TofuProbability.of(own));
            assertValues(set, "options", "options_mean", TofuProbability.amongOptions(own, wrong));
            assertValues(set, "ratio", "closer_to_1_better",
                    TruthRatio.of(right, wrong, TruthRatio.Aggregation.CLOSER_TO_ONE));
            assertValues(set, "ratio", "true_better", TruthRatio.of(right, wrong, TruthRatio.Aggregation.TRUE_BETTER));
        }
        assertThrows(IllegalArgumentException.class, () -> TruthRatio.of(new double[1], new double[1][0],
                TruthRatio.Aggregation.TRUE_BETTER));
    }

    @Test
    void harmonicMeanEqualsScipys() {
        for (JsonNode list : golden.get("harmonic_means")) {
            assertClose(list.get("mean").asDouble(),
                    ModelUtility.harmonicMean(Arrays.stream(doubles(list.get("values"))).boxed().toList()));
        }
        assertThrows(IllegalArgumentException.class, () -> ModelUtility.harmonicMean(List.of(0.5, -0.1)));
    }

    @Test
    void modelUtilityNamesWhatIsMissing() {
        TofuSetScores retain = scores(0.9, 0.6, 0.3);
        ModelUtility utility = ModelUtility.of(retain, null, scores(0.5, 0.5, 0.5));
        assertClose(6 / (1 / 0.9 + 1 / 0.6 + 1 / 0.3 + 3 / 0.5), utility.value());
        assertEquals(List.of("real_authors.probability", "real_authors.rouge_l_recall", "real_authors.truth_ratio"),
                utility.missing());
        assertEquals(0.6, utility.parts().get("retain.rouge_l_recall"));
        assertTrue(Double.isNaN(ModelUtility.of(null, null, null).value()));
        ModelUtility unread = ModelUtility.of(scores(0.9, Double.NaN, 0.3), null, null);
        assertClose(2 / (1 / 0.9 + 1 / 0.3), unread.value());
        assertTrue(unread.missing().contains("retain.rouge_l_recall"));
    }

    private static TofuSetScores scores(double probability, double rouge, double truthRatio) {
        return new TofuSetScores(probability, rouge, truthRatio, 0, 0, 0, 0, 0, 0, List.of());
    }

    @Test
    void referenceAttackAndPrivacyLeakEqualOpenUnlearnings() {
        for (JsonNode set : golden.get("attacks")) {
            JsonNode loss = set.get("loss"); // members' and others'
            JsonNode reference = set.get("reference");
            double auc = Auc.of(less(loss.get(1), reference.get(1)), less(loss.get(0), reference.get(0)));
            assertClose(set.get("auc").asDouble(), auc);
            double retrained = Auc.of(doubles(reference.get(1)), doubles(reference.get(0)));
            assertClose(set.get("retrained_auc").asDouble(), retrained);
            assertClose(set.get("privleak").asDouble(), PrivacyLeak.percent(auc, retrained));
        }
    }

    private static double[] less(JsonNode from, JsonNode what) {
        return IntStream.range(0, from.size()).mapToDouble(i -> from.get(i).asDouble() - what.get(i).asDouble()).toArray();
    }

    @Test
    void marginIsTheLogitOfTheConfidence() {
        double[] losses = doubles(golden.get("margins").get("losses"));
        double[] margins = doubles(golden.get("margins").get("margins"));
        for (int i = 0; i < losses.length; i++) {
            assertEquals(margins[i], LogitMargin.of(losses[i]), 1e-9);
        }
        assertTrue(Double.isFinite(LogitMargin.of(0)) && Double.isFinite(LogitMargin.of(1000)));
    }

    @Test
    void likelihoodRatiosOfOneModelEqualNumpys() throws Exception {
        try (InputStream in = UnlearningGoldenTest.class.getResourceAsStream("/golden/prove.json")) {
            for (JsonNode set : new JsonMapper().readTree(in).get("offline_lira")) {
                assertArrayEquals(doubles(set.get("deviations")), ULira.offline(doubles(set.get("model")), matrix(set.get("retrained"))),
                        1e-9);
            }
        }
        assertThrows(IllegalArgumentException.class, () -> ULira.offline(new double[] {1}, new double[][] {{1}}));
    }

    @Test
    void klomEqualsTheBenchmarksHistograms() {
        for (JsonNode set : golden.get("klom")) {
            Klom.Result result = Klom.of(matrix(set.get("unlearned")), matrix(set.get("oracles")));
            assertArrayEquals(doubles(set.get("klom")), result.klom().records(), 1e-12);
            assertClose(set.get("mean").asDouble(), result.klom().aggregate());
            assertClose(set.get("percentile95").asDouble(), result.percentile95());
            if (set.get("oracles").size() >= 4) {
                assertClose(set.get("floor").asDouble(), result.floor());
            }
            assertClose(doubles(set.get("normal")), result.normal().records());
        }
        Klom.Result apart = Klom.of(new double[][] {{5}, {5}}, new double[][] {{0}, {0}});
        assertEquals(Math.log(1e5), apart.klom().aggregate(), 1e-4, "all above the oracles is seen, and bounded");
        assertTrue(Double.isNaN(apart.floor()));
    }

    @Test
    void uLiraEqualsTheObviousLoop() {
        for (JsonNode set : golden.get("ulira")) {
            ULira.Result result = ULira.attack(matrix(set.get("unlearned")), matrix(set.get("retrained")));
            assertClose(doubles(set.get("accuracy")), result.accuracy().records());
            assertClose(doubles(set.get("auc")), result.auc().records());
            assertClose(set.get("auc_pooled").asDouble(), result.auc().aggregate());
            assertEquals(set.get("detectable").asDouble(), result.detectable(), 1e-3);
        }
    }

    @Test
    void uLiraIsFairToAPerfectErasure() {
        SplittableRandom random = new SplittableRandom(3);
        double sum = 0;
        for (int repeat = 0; repeat < 40; repeat++) {
            sum += ULira.attack(normal(random, 4, 50), normal(random, 4, 50)).accuracy().aggregate() / 40;
        }
        assertEquals(0.5, sum, 0.02); // 16,000 judgements: a deviation of 0.004, were they independent
    }

    @Test
    void uLiraSaysThePowerOfFewModels() {
        ULira.Result result = ULira.attack(new double[8][2], new double[8][2]);
        assertEquals(0.5, result.accuracy().aggregate());
        assertEquals(1.24, result.detectable(), 0.01);
        assertEquals("U-LiRA needs at least 3 unlearned and 3 retrained models (one to judge, two to fit), got 8 and 2; train"
                + " more, or use another attack", assertThrows(IllegalArgumentException.class,
                        () -> ULira.attack(new double[8][2], new double[2][2])).getMessage());
        assertThrows(IllegalArgumentException.class, () -> ULira.attack(new double[3][2], new double[3][3]));
        assertThrows(IllegalArgumentException.class, () -> Klom.of(new double[0][], new double[3][3]));
    }

    private static double[][] normal(SplittableRandom random, int models, int records) {
        return IntStream.range(0, models).mapToObj(m -> IntStream.range(0, records)
                .mapToDouble(r -> random.nextGaussian()).toArray()).toArray(double[][]::new);
    }

    private static void assertValues(JsonNode set, String records, String aggregate, MetricValues values) {
        assertClose(doubles(set.get(records)), values.records());
        assertClose(set.get(aggregate).asDouble(), values.aggregate());
    }

    private static void assertClose(double[] wanted, double[] given) {
        assertEquals(wanted.length, given.length);
        for (int i = 0; i < wanted.length; i++) {
            assertClose(wanted[i], given[i]);
        }
    }

    private static void assertClose(double wanted, double given) {
        assertEquals(wanted, given, RELATIVE * Math.abs(wanted) + ZERO);
    }

    private static double[] doubles(JsonNode array) {
        return array.valueStream().mapToDouble(JsonNode::asDouble).toArray();
    }

    private static double[][] matrix(JsonNode rows) {
        return rows.valueStream().map(UnlearningGoldenTest::doubles).toArray(double[][]::new);
    }
}
