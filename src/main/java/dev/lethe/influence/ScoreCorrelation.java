/*
 * How well scores foretell what training without some records does to the loss of queries. Predictions and measurements are
 * tables [M queries][retrainings] of rises of the loss over that of the whole training. Who retrains is left out.
 */
package dev.lethe.influence;

import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Predictions beside measurements, [M][retrainings] each.
 *
 * @param predicted rises that the scores foretell, in units of their own
 * @param measured  rises, in nats a token
 */
public record ScoreCorrelation(double[][] predicted, double[][] measured) {
    public ScoreCorrelation {
        if (predicted.length != measured.length || predicted.length == 0
                || predicted[0].length != measured[0].length || predicted[0].length < 2)
            throw new IllegalArgumentException("predictions and measurements must be of the same queries and retrainings,"
                    + " two retrainings or more");
    }

    /**
     * What scores foretell of models that never saw some records: the sum of those records' scores. Over subsets this is,
     * but for a constant a query, the prediction of the linear datamodeling score (Park et al. 2023, "TRAK", arXiv
     * 2303.14186, definition 2.3); over single records, of leave-one-out.
     *
     * @param scores  [M][N]
     * @param weights [N] of a record in the training's loss, on any scale
     * @param absent  of the N records, by retraining
     */
    public static double[][] rises(double[][] scores, double[] weights, List<BitSet> absent) {
        double[][] rises = new double[scores.length][absent.size()];
        for (int m = 0; m < scores.length; m++)
            for (int c = 0; c < rises[m].length; c++) {
                double[] row = scores[m];
                rises[m][c] = absent.get(c).stream().mapToDouble(i -> weights[i] * row[i]).sum();
            }
        return rises;
    }

    /** Mean over the queries of Spearman's correlation over the retrainings; over subsets it is the LDS. Chance is 0. */
    public Bootstrap rankCorrelation(long seed) {
        return Bootstrap.of(predicted.length, predicted[0].length, (rows, columns) -> {
            double sum = 0;
            for (int m : rows) sum += RankCorrelation.spearman(part(predicted[m], columns), part(measured[m], columns));
            return sum / rows.length;
        }, seed);
    }

    /** Share of queries and retrainings whose loss moved in the direction foretold. Chance is {@link #likelierSign}. */
    public Bootstrap signAgreement(long seed) {
        return Bootstrap.of(predicted.length, predicted[0].length, (rows, columns) -> {
            long agree = 0;
            for (int m : rows)
                for (int c : columns) if (predicted[m][c] > 0 == measured[m][c] > 0) agree++;
            return (double) agree / rows.length / columns.length;
        }, seed);
    }

    /** What always saying the likelier sign would reach, 0.5 or more. */
    public double likelierSign() {
        long up = 0;
        for (double[] row : measured)
            for (double value : row) if (value > 0) up++;
        double share = (double) up / measured.length / measured[0].length;
        return Math.max(share, 1 - share);
    }

    private static double[] part(double[] values, int[] columns) {
        double[] part = new double[columns.length];
        for (int c = 0; c < columns.length; c++) part[c] = values[columns[c]];
        return part;
    }

    /** Spearman's rank correlation (1904): Pearson's of the ranks, equal values sharing the mean of theirs. */
    public static final class RankCorrelation {
        private RankCorrelation() { }

        /** -1 to 1; 0 when either side has one value only. @param x [N] @param y [N], no NaN in either */
        public static double spearman(double[] x, double[] y) {
            if (x.length != y.length || x.length < 2) {
                throw new IllegalArgumentException("a correlation of " + x.length + " values with " + y.length
                        + ": needs equally many, two or more");
            }
            double[] a = ranks(x);
            double[] b = ranks(y);
            double mean = (x.length - 1) / 2.0;
            double ab = 0;
            double aa = 0;
            double bb = 0;
            for (int i = 0; i < a.length; i++) {
                ab += (a[i] - mean) * (b[i] - mean);
                aa += (a[i] - mean) * (a[i] - mean);
                bb += (b[i] - mean) * (b[i] - mean);
            }
            return aa == 0 || bb == 0 ? 0 : ab / Math.sqrt(aa * bb);
        }

        /** From 0. */
        static double[] ranks(double[] values) {
            int[] order = IntStream.range(0, values.length).boxed().sorted(Comparator.comparingDouble(i -> values[i]))
                    .mapToInt(i -> i).toArray();
            double[] ranks = new double[values.length];
            for (int from = 0; from < order.length; ) {
                int to = from + 1;
                while (to < order.length && values[order[to]] == values[order[from]]) {
                    to++;
                }
                for (int i = from; i < to; i++) {
                    ranks[order[i]] = (from + to - 1) / 2.0;
                }
                from = to;
            }
            return ranks;
        }
    }
}
