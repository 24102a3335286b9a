package dev.lethe.influence;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.influence.ScoreCorrelation.RankCorrelation;
import java.util.BitSet;
import java.util.List;
import org.junit.jupiter.api.Test;

class ForetellingTest {
    /** scipy.stats.spearmanr([1, 2, 2, 4, 7], [3, 1, 4, 4, 9]) = 0.7631578947368421. */
    @Test
    void tiedValuesShareTheirRanks() {
        assertEquals(0.7631578947368421, RankCorrelation.spearman(new double[] {1, 2, 2, 4, 7},
                new double[] {3, 1, 4, 4, 9}), 1e-15);
        assertArrayEquals(new double[] {0, 1.5, 1.5, 3}, RankCorrelation.ranks(new double[] {-1, 2, 2, 5}));
        assertEquals(0, RankCorrelation.spearman(new double[] {1, 1, 1}, new double[] {3, 1, 4}));
        assertThrows(IllegalArgumentException.class, () -> RankCorrelation.spearman(new double[1], new double[1]));
    }

    @Test
    void theAbsentRecordsScoresAddUp() {
        double[][] rises = ScoreCorrelation.rises(new double[][] {{1, -2, 4}}, new double[] {1, 10, 100},
                List.of(BitSet.valueOf(new long[] {0b101}), BitSet.valueOf(new long[] {0b010}), new BitSet()));
        assertArrayEquals(new double[] {401, -20, 0}, rises[0]);
    }

    @Test
    void aPerfectPredictionIsOneAndItsOppositeMinusOne() {
        double[][] measured = {{0.1, -0.2, 0.3, 0.05}, {1, 2, -3, 4}};
        double[][] opposite = new double[2][4];
        for (int m = 0; m < 2; m++) {
            for (int c = 0; c < 4; c++) {
                opposite[m][c] = -7 * measured[m][c];
            }
        }
        ScoreCorrelation perfect = new ScoreCorrelation(measured, measured);
        assertEquals(1, perfect.rankCorrelation(1).mean(), 1e-12);
        assertEquals(1, perfect.signAgreement(1).mean());
        assertEquals(0.75, perfect.likelierSign());
        ScoreCorrelation wrong = new ScoreCorrelation(opposite, measured);
        assertEquals(-1, wrong.rankCorrelation(1).mean(), 1e-12);
        assertEquals(0, wrong.signAgreement(1).high());
    }

    @Test
    void theIntervalOfATableHoldsItsStatisticAndIsSeeded() {
        Bootstrap.TableStatistic mean = (rows, columns) -> {
            double sum = 0;
            for (int r : rows) for (int c : columns) sum += r * c;
            return sum / rows.length / columns.length;
        };
        Bootstrap interval = Bootstrap.of(20, 30, mean, 4);
        assertEquals(9.5 * 14.5, interval.mean(), 1e-9);
        assertTrue(interval.low() < interval.mean() && interval.mean() < interval.high());
        assertEquals(interval, Bootstrap.of(20, 30, mean, 4));
    }
}
