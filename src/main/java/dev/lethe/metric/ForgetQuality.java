package dev.lethe.metric;

import java.util.Arrays;

/**
 * TOFU's forget quality (Maini et al. 2024, arXiv 2401.06121): the p-value of a two-sample Kolmogorov-Smirnov test between
 * the truth ratios of the forget records under the unlearned model and under one retrained without them. High: the two
 * cannot be told apart by it. It is no proof of forgetting; with few records it misses much, and
 * {@code leastSignificant} says how much. In OpenUnlearning: ks_test of src/evals/metrics/privacy.py.
 *
 * @param pValue           0..1
 * @param statistic        the distance D of the two empirical distribution functions
 * @param leastSignificant the smallest D with p below 0.05 for so many records: a smaller difference goes unseen
 */
public record ForgetQuality(double pValue, double statistic, double leastSignificant) {
    private static final double LEVEL = 0.05;

    /**
     * @param truthRatios {@link TruthRatio} of each forget record under the model
     * @param retrained   the same under the retrained model
     */
    public static ForgetQuality of(double[] truthRatios, double[] retrained) {
        KolmogorovSmirnov.Test test = KolmogorovSmirnov.test(truthRatios, retrained);
        return new ForgetQuality(test.pValue(), test.statistic(),
                KolmogorovSmirnov.leastSignificant(truthRatios.length, retrained.length, LEVEL));
    }

    /**
     * The two-sample Kolmogorov-Smirnov test, two-sided, with the exact p-value at every size: the chance that two samples of
     * one continuous distribution have distribution functions at least this far apart (Hodges 1958). Equal to
     * scipy.stats.ks_2samp with method "exact"; as there, ties are counted as if there were none, which errs on the side of
     * a larger p. Time n m.
     */
    public static final class KolmogorovSmirnov {
        private KolmogorovSmirnov() {}

        /**
         * @param statistic D, largest distance of the two empirical distribution functions, 0..1
         * @param pValue    chance of a D at least as large when both samples are of one distribution
         */
        public record Test(double statistic, double pValue) {}

        /**
         * @param first  n values, at least one, no NaN
         * @param second m values, at least one, no NaN
         */
        public static Test test(double[] first, double[] second) {
            double[] a = sorted(first);
            double[] b = sorted(second);
            long distance = distance(a, b);
            return new Test(distance / ((double) a.length * b.length), pValue(a.length, b.length, distance));
        }

        /**
         * The smallest D that samples of these sizes can show and that has p below {@code level}: what the test can still
         * see. NaN when even D = 1 has not.
         */
        public static double leastSignificant(int n, int m, double level) {
            long step = gcd(n, m); // D moves in steps of 1 / lcm(n, m)
            long low = 0; // p >= level here
            long high = (long) n * m / step;
            if (pValue(n, m, high * step) >= level) {
                return Double.NaN;
            }
            while (high - low > 1) {
                long middle = (low + high) / 2;
                if (pValue(n, m, middle * step) < level) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            return high * step / ((double) n * m);
        }

        private static double[] sorted(double[] values) {
            if (values.length == 0 || Arrays.stream(values).anyMatch(Double::isNaN)) {
                throw new IllegalArgumentException("Kolmogorov-Smirnov test: each side needs at least one value and no NaN, got "
                        + values.length + " values");
            }
            return Arrays.stream(values).map(value -> value + 0.0).sorted().toArray(); // + 0.0: -0.0 equals 0.0
        }

        /** max |i m - j n| over the values v, with i of a and j of b not above v: D in whole numbers. */
        private static long distance(double[] a, double[] b) {
            int i = 0;
            int j = 0;
            long largest = 0;
            while (i < a.length && j < b.length) {
                double value = Math.min(a[i], b[j]);
                while (i < a.length && a[i] == value) {
                    i++;
                }
                while (j < b.length && b[j] == value) {
                    j++;
                }
                largest = Math.max(largest, Math.abs((long) i * b.length - (long) j * a.length));
            }
            return largest;
        }

        /**
         * Share of the lattice paths from (0, 0) to (n, m) that touch |i m - j n| >= distance. Row by row,
         * q(i, j) = (i q(i-1, j) + j q(i, j-1)) / (i + j) is that share among the paths to (i, j): no binomial overflows, and
         * nothing is subtracted from 1, so that small p-values keep their digits.
         */
        private static double pValue(int n, int m, long distance) {
            if (distance == 0) {
                return 1;
            }
            double[] row = new double[m + 1]; // q(i, 0..m)
            for (int i = 0; i <= n; i++) {
                for (int j = 0; j <= m; j++) {
                    if (Math.abs((long) i * m - (long) j * n) >= distance) {
                        row[j] = 1;
                    } else if (i + j == 0) {
                        row[j] = 0;
                    } else {
                        row[j] = ((double) i * row[j] + (j == 0 ? 0 : j * row[j - 1])) / (i + j);
                    }
                }
            }
            return Math.min(1, row[m]);
        }

        private static long gcd(long a, long b) {
            return b == 0 ? a : gcd(b, a % b);
        }
    }
}
