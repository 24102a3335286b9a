package dev.lethe.sweep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import dev.lethe.page.Tables;
import dev.lethe.spec.Cell;
import dev.lethe.spec.CellResult;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** CSV, and what a comparison computes, against numbers worked out by hand. */
class TablesTest {
    private static CellResult result(long seed, String strategy, String variant, Map<String, Double> metrics,
                                     Map<String, double[]> distributions) {
        Cell cell = new Cell(seed, "tied", "a, \"b\"", strategy, "", "", "", "", "", 0, "");
        return new CellResult("id" + seed + strategy, cell, variant, new LinkedHashMap<>(metrics), List.of(), distributions, true,
                "");
    }

    @Test
    void resultsAreALineACellAndTimesAreElsewhere() {
        List<CellResult> results = List.of(result(0, "fresh", "x", Map.of("forget.loss", 1.25, "cost.seconds", 9.0), Map.of()),
                result(1, "fresh", "x", Map.of("retain.loss", 2.0), Map.of()));
        assertEquals("""
                id,seed,head,forget,variant,strategy,sites,epochs,matching,calibration,contrast,repair,options,reached,note,forget.loss,retain.loss
                id0fresh,0,tied,"a, ""b""\",x,fresh,,,,,,0,,true,,1.2500000,
                id1fresh,1,tied,"a, ""b""\",x,fresh,,,,,,0,,true,,,2
                """, Tables.results(results));
        assertEquals("""
                id,seed,forget,variant,cost.seconds,cost.peak_bytes
                id0fresh,0,"a, ""b""\",x,9,
                id1fresh,1,"a, ""b""\",x,,
                """, Tables.timings(results));
    }

    /** Mean 2, standard deviation 1 over three seeds, t(2) = 4.3027: 2 ± 2.4841. */
    @Test
    void theSummaryHasMeansAndStudentIntervals() {
        List<CellResult> results = List.of(result(0, "fresh", "x", Map.of("m", 1.0), Map.of()),
                result(1, "fresh", "x", Map.of("m", 2.0), Map.of()), result(2, "fresh", "x", Map.of("m", 3.0), Map.of()),
                result(0, "fresh", "y", Map.of("m", 5.0), Map.of()));
        assertEquals("""
                head,forget,variant,metric,seeds,mean,low,high
                tied,"a, ""b""\",x,reached,3,1,1,1
                tied,"a, ""b""\",x,m,3,2,-0.48413787,4.4841379
                tied,"a, ""b""\",y,reached,1,1,,
                tied,"a, ""b""\",y,m,1,5,,
                """, Tables.summary(results));
    }

    @Test
    void aCellIsComparedWithTheRetrainedModelOfItsOwnSeed() {
        Map<String, double[]> far = Map.of("loss.forget", new double[] {1, 1}, "loss.heldout", new double[] {3, 3},
                "truth_ratio.forget", new double[] {0.1, 0.2, 0.3});
        Map<String, double[]> near = Map.of("loss.forget", new double[] {3, 3}, "loss.heldout", new double[] {3, 3},
                "truth_ratio.forget", new double[] {0.1, 0.2, 0.3});
        List<CellResult> compared = Comparison.of(List.of(
                result(0, "original", "original", Map.of("model_utility", 0.5), far),
                result(0, "retrain", "retrain", Map.of("relearn.loss", 4.0, "mia.min_k", 0.5, "forget.loss", 3.0), near),
                result(1, "retrain", "retrain", Map.of("relearn.loss", 100.0), near),
                result(0, "fresh", "x", Map.of("relearn.loss", 3.0, "mia.min_k", 0.75, "forget.loss", 1.0, "model_utility", 0.4),
                        far)), List.of(), false);
        Map<String, Double> mine = compared.getLast().metrics();
        assertEquals(0.75, mine.get("relearn.share"), 1e-12);
        assertEquals(-50, mine.get("privleak"), 1e-6);
        assertEquals(-2, mine.get("forget.loss_gap"), 1e-12);
        assertEquals(1, mine.get("forget_quality"), 1e-12);
        assertEquals(0.8, mine.get("utility.share"), 1e-12);
        assertEquals(1, mine.get("mia.reference"), 1e-12, "less the reference's loss, every forget record is below every other");
        assertNull(mine.get("klom"));
    }

    @Test
    void oraclesOfOtherSeedsAreComparedWith() {
        Map<String, double[]> losses = Map.of("loss.forget", new double[] {2, 3});
        List<CellResult> results = List.of(result(0, "retrain", "retrain", Map.of(), losses),
                result(1, "retrain", "retrain", Map.of(), losses), result(0, "fresh", "x", Map.of(), losses));
        List<CellResult> oracles = List.of(result(7, "retrain", "oracle", Map.of(), losses),
                result(8, "retrain", "oracle", Map.of(), losses));
        Map<String, Double> mine = Comparison.of(results, oracles, true).getLast().metrics();
        assertEquals(3, mine.get("klom.oracles"), "seed 1's retrained model and two oracles; seed 0's shares its seed");
        assertEquals(0, mine.get("klom"), 1e-12);
    }
}
