package dev.lethe.eval;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.metric.Auc;
import dev.lethe.metric.MembershipScores;
import dev.lethe.metric.Memorisation;
import dev.lethe.metric.PorterStemmer;
import dev.lethe.metric.Rouge;
import dev.lethe.results.Evaluation;
import dev.lethe.results.Evaluation.RecordMeasures;
import dev.lethe.results.RecordMetric;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The metrics against rouge_score, NLTK, scikit-learn, numpy and Python's zlib (src/test/golden/metrics.py). */
class MetricsGoldenTest {
    private static final double EXACT = 1e-12;
    private static JsonNode golden;

    @BeforeAll
    static void read() throws Exception {
        try (InputStream in = MetricsGoldenTest.class.getResourceAsStream("/golden/metrics.json")) {
            golden = new JsonMapper().readTree(in);
        }
    }

    @Test
    void stemsAsNltkDoes() {
        List<String> wrong = new ArrayList<>();
        golden.get("stems").properties().forEach(word -> {
            String stem = PorterStemmer.stem(word.getKey());
            if (!stem.equals(word.getValue().asString())) {
                wrong.add(word.getKey() + " -> " + stem + ", wanted " + word.getValue().asString());
            }
        });
        assertEquals(List.of(), wrong);
    }

    @Test
    void rougeEqualsRougeScore() {
        for (JsonNode pair : golden.get("rouge")) {
            String reference = pair.get("reference").asString();
            String candidate = pair.get("candidate").asString();
            assertScores(pair.get("plain"), Rouge.score(reference, candidate, false), reference + " | " + candidate);
            assertScores(pair.get("stemmed"), Rouge.score(reference, candidate, true), reference + " | " + candidate);
        }
    }

    @Test
    void rougeReadsLatinLettersAndNumbers() {
        for (String text : List.of("Dave rows.", "17", "M\u00fcller \u00e9tait l\u00e0", "Dave \u2014 42 \u20ac!", "Ren (\u84ee) rows")) {
            assertTrue(Rouge.reads(text), text);
        }
        for (String text : List.of("", "!?", "\u4f50\u91ce\u84ee\u306f\u6e2f\u753a", "\u4f50\u91ce\u84ee\u306f 1990 \u5e74\u751f\u307e\u308c\u3067\u3059",
                "\u0414\u0435\u0439\u0432 \u0433\u0440\u0435\u0431\u0451\u0442 7 \u0434\u043d\u0435\u0439", "\u0633\u0644\u0645\u0649", "\u00e9\u00e0")) {
            assertFalse(Rouge.reads(text), text);
        }
    }

    private static void assertScores(JsonNode wanted, Rouge.Scores scores, String message) {
        List<Rouge.Score> given = List.of(scores.rouge1(), scores.rouge2(), scores.rougeL());
        for (int i = 0; i < given.size(); i++) {
            assertEquals(wanted.get(i).get(0).asDouble(), given.get(i).precision(), EXACT, message);
            assertEquals(wanted.get(i).get(1).asDouble(), given.get(i).recall(), EXACT, message);
            assertEquals(wanted.get(i).get(2).asDouble(), given.get(i).f(), EXACT, message);
        }
    }

    @Test
    void aucEqualsSklearnTiesIncluded() {
        for (JsonNode set : golden.get("auc")) {
            assertEquals(set.get("auc").asDouble(), Auc.of(doubles(set.get("positives")), doubles(set.get("negatives"))),
                    EXACT);
        }
        assertEquals(0.5, Auc.of(new double[] {-0.0}, new double[] {0.0}));
        assertThrows(IllegalArgumentException.class, () -> Auc.of(new double[0], new double[] {1}));
        assertThrows(IllegalArgumentException.class, () -> Auc.of(new double[] {Double.NaN}, new double[] {1}));
    }

    @Test
    void minKEqualsTheFieldsFormula() {
        for (JsonNode set : golden.get("min_k")) {
            double[] logp = doubles(set.get("logp"));
            assertEquals(set.get("min_k").asDouble(), MembershipScores.minK(logp, 0.2), EXACT);
            double plusPlus = set.get("min_k_plus_plus").asDouble();
            assertEquals(plusPlus, MembershipScores.minKPlusPlus(logp, doubles(set.get("mean")),
                    doubles(set.get("deviation")), 0.2), EXACT * Math.max(1, Math.abs(plusPlus)));
        }
        assertTrue(Double.isNaN(MembershipScores.minK(new double[0], 0.2)));
    }

    @Test
    void zlibSizeEqualsPythons() {
        for (JsonNode text : golden.get("zlib")) {
            assertEquals(text.get("bytes").asInt(), MembershipScores.zlibBytes(text.get("text").asString()));
        }
    }

    @Test
    void memorisationCountsHitsAndTheSuffix() {
        boolean[] hits = {true, false, true, true};
        assertAll(() -> assertEquals(0.75, Memorisation.exact(hits)),
                () -> assertEquals(0.5, Memorisation.extractionStrength(hits)),
                () -> assertEquals(1.0, Memorisation.extractionStrength(new boolean[] {true})),
                () -> assertEquals(1 / 3.0, Memorisation.extractionStrength(new boolean[] {true, true, false}), EXACT),
                () -> assertEquals(0.5, Memorisation.extractionStrengthOrZero(hits)),
                () -> assertEquals(0.0, Memorisation.extractionStrengthOrZero(new boolean[] {true, true, false})),
                () -> assertTrue(Double.isNaN(Memorisation.extractionStrength(new boolean[0]))),
                () -> assertTrue(Double.isNaN(Memorisation.exact(new boolean[0]))));
    }

    @Test
    void membersAreRecognisedByTheirLowScores() {
        Evaluation members = Evaluation.of(List.of(record("a", 0.1, 10, 0), record("b", 0.2, 10, 0)));
        Evaluation strangers = Evaluation.of(List.of(record("c", 0.2, 10, 0), record("d", 3.0, 10, 0), record("none", 0, 0, 0)));
        assertEquals(0.875, members.auc(RecordMetric.ZLIB, strangers), "one without targets has no score");
        assertArrayEquals(new double[] {0.1, 0.2}, members.values(RecordMetric.LOSS));
        assertThrows(IllegalArgumentException.class, () -> members.auc(RecordMetric.LOSS, Evaluation.of(List.of())));
    }

    @Test
    void meanLossWeighsEveryTokenAlike() {
        Evaluation evaluation = Evaluation.of(List.of(
                record("a", 1, 3, 2), record("b", 5, 1, 0), record("c", 5, 0, 0), record("none", 0, 0, 0)));
        assertEquals(2.0, evaluation.meanLoss());
        assertEquals(Math.exp(2.0), evaluation.perplexity());
        assertEquals(1.0, evaluation.means().get(RecordMetric.EXACT_MEMORISATION), "of the one record that has targets but the last");
        assertTrue(Double.isNaN(Evaluation.of(List.of()).meanLoss()));
    }

    /** Of so many targets, of which so many of those but the last are hit. */
    private static RecordMeasures record(String id, double loss, int targets, int hit) {
        int said = Math.max(0, targets - 1);
        boolean[] hits = new boolean[said];
        Arrays.fill(hits, 0, hit, true);
        return RecordMeasures.of(id, new RecordMetric.Targets(targets, loss, new double[said], new double[said], new double[said], hits, "text", 0.4));
    }

    private static double[] doubles(JsonNode array) {
        double[] values = new double[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.get(i).asDouble();
        }
        return values;
    }
}
