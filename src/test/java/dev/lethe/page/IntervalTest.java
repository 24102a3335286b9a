package dev.lethe.page;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.InputStream;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Intervals against scipy's (src/test/golden/intervals.py), and that none leaves what its quantity can be. */
class IntervalTest {
    @Test
    void intervalsAreScipys() throws Exception {
        try (InputStream in = IntervalTest.class.getResourceAsStream("/golden/intervals.json")) {
            for (JsonNode one : new JsonMapper().readTree(in)) {
                double[] values = one.get("values").valueStream().mapToDouble(JsonNode::asDouble).toArray();
                Interval interval = Interval.of(Quantity.valueOf(one.get("kind").asString().toUpperCase(Locale.ROOT)), values);
                near(one.get("mean").asDouble(), interval.mean(), one);
                near(one.get("low").asDouble(), interval.low(), one);
                near(one.get("high").asDouble(), interval.high(), one);
            }
        }
    }

    private static void near(double expected, double value, JsonNode of) {
        assertEquals(expected, value, 2e-5 * Math.max(1e-3, Math.abs(expected)), of.toString());
    }

    @Test
    void noIntervalLeavesItsRangeOrItsMean() {
        SplittableRandom random = new SplittableRandom(4);
        for (int i = 0; i < 20_000; i++) {
            Quantity quantity = Quantity.values()[random.nextInt(Quantity.values().length)];
            double least = Math.max(-50, quantity.least);
            double most = Math.min(1e6, quantity.most);
            double[] values = random.doubles(2 + random.nextInt(6)).map(u -> u < 0.1 ? least : u > 0.9 ? most
                    : Math.min(most, least + (most - least) * Math.pow(u, 1 + 8 * u))).toArray();
            Interval interval = Interval.of(quantity, values);
            assertTrue(quantity.least <= interval.low() && interval.low() <= interval.mean() && interval.mean() <= interval.high()
                    && interval.high() <= quantity.most, quantity + " " + List.of(interval));
        }
    }

    @Test
    void whatAMetricCanBeFollowsFromItsName() {
        for (String share : List.of("mia.loss", "mia.min_k_plus_plus", "model_utility", "forget_quality", "forget.rougeL",
                "again.forget.exact_memorisation", "ulira.auc", "reached", "forget.extraction_strength_or_zero", "retain.answer_rougeL")) {
            assertEquals(Quantity.SHARE, Quantity.of(share), share);
        }
        for (String positive : List.of("forget.loss", "base_text.learned_loss", "relearn.share", "cost.seconds", "klom",
                "distance.retrained", "sequential.retain.loss")) {
            assertEquals(Quantity.POSITIVE, Quantity.of(positive), positive);
        }
        assertEquals(Quantity.PERPLEXITY, Quantity.of("heldout.perplexity"));
        assertEquals(Quantity.BYTES, Quantity.of("cost.ledger_bytes"));
        for (String any : List.of("forget.loss_gap", "privleak", "influence.before_mean", "odd")) {
            assertEquals(Quantity.ANY, Quantity.of(any), any);
        }
    }

    @Test
    void numbersReadAsAPersonWritesThem() {
        assertEquals("1.9e+08 [∞, ∞]", new Interval(1.9e8, Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY, 2).text("%.1f"));
        assertEquals("−0.50 [−1.00, 0.00]", new Interval(-0.5, -1, -0.001, 3).text("%.2f"));
        assertEquals(12.5, Interval.of(Quantity.BYTES, 12_500_000).times(Quantity.BYTES.unit).mean());
    }
}
