package dev.lethe.prove;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.metric.Auc;
import java.io.InputStream;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The numbers of a proof against scipy, scikit-learn and numpy (src/test/golden/prove.py). */
class ChancesTest {
    private static JsonNode golden;

    @BeforeAll
    static void read() throws Exception {
        try (InputStream in = ChancesTest.class.getResourceAsStream("/golden/prove.json")) {
            golden = new JsonMapper().readTree(in);
        }
    }

    private static double[] doubles(JsonNode list) {
        return list.valueStream().mapToDouble(JsonNode::asDouble).toArray();
    }

    @Test
    void intervalsAreNewcombes() {
        for (JsonNode one : golden.get("intervals")) {
            double[] interval = Auc.interval(one.get("auc").asDouble(), one.get("m").asInt(), one.get("n").asInt());
            assertEquals(one.get("low").asDouble(), interval[0], 1e-9);
            assertEquals(one.get("high").asDouble(), interval[1], 1e-9);
            assertTrue(interval[0] >= 0 && interval[1] <= 1 && interval[0] < interval[1]);
        }
    }

    @Test
    void flaggedIsTheTprAtOnePercentAndItsChanceHypergeometric() {
        for (JsonNode one : golden.get("flagged")) {
            double[] erased = doubles(one.get("erased"));
            double[] controls = doubles(one.get("controls"));
            int flagged = Chances.flagged(erased, controls);
            assertEquals(one.get("flagged").asInt(), flagged);
            assertEquals(one.get("tpr").asDouble(), (double) flagged / erased.length, 1e-12);
            assertEquals(one.get("chance").asDouble(), Chances.ofFlagged(flagged, erased.length, controls.length), 1e-9);
            assertEquals(one.get("auc").asDouble(), Auc.of(erased, controls), 1e-12);
        }
        assertEquals(1, Chances.ofFlagged(0, 10, 30), 1e-12);
        assertEquals(0.2559, Chances.ofSoMany(2, 2, 10, 30), 1e-4); // scipy: hypergeom.sf(1, 40, 10, 4)
    }

    @Test
    void bestOfKIsTheMeanOverAllChoices() {
        for (JsonNode one : golden.get("best_of")) {
            assertEquals(one.get("mean").asDouble(), Chances.bestOf(one.get("k").asInt(), doubles(one.get("samples"))), 1e-12);
        }
        double[] many = IntStream.range(0, 128).mapToDouble(i -> i == 77 ? 1 : 0).toArray();
        assertEquals(0.5, Chances.bestOf(64, many), 1e-9); // one in 128 is among 64 half of the time
    }

    @Test
    void roundingIsToTheNearestOfEachGroupsGrid() {
        for (JsonNode one : golden.get("rounding")) {
            double[] given = doubles(one.get("values"));
            float[] values = new float[given.length];
            IntStream.range(0, values.length).forEach(i -> values[i] = (float) given[i]);
            Rounding.round(values, one.get("bits").asInt());
            double[] rounded = IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray();
            assertArrayEquals(doubles(one.get("rounded")), rounded);
        }
        float[] zeros = new float[70];
        Rounding.round(zeros, 4);
        assertArrayEquals(new float[70], zeros);
    }
}
