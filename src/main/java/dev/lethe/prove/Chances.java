/*
 * What can be said of so few records: the chance of so many alarms, the best of k samples.
 */
package dev.lethe.prove;

import java.util.Arrays;

/** Stateless, any thread. */
final class Chances {
    /** False alarms allowed, of controls. */
    private static final double FALSE_ALARMS = 0.01;

    private Chances() { }

    /**
     * Records above all controls but the highest hundredth.
     *
     * @param erased   scores, high = known
     * @param controls at least one
     */
    static int flagged(double[] erased, double[] controls) {
        double[] sorted = controls.clone();
        Arrays.sort(sorted);
        double threshold = sorted[sorted.length - 1 - alarms(controls.length)];
        return (int) Arrays.stream(erased).filter(score -> score > threshold).count();
    }

    static int alarms(int controls) {
        return (int) (FALSE_ALARMS * controls);
    }

    /** The chance that so many of m or more are flagged when they are no different from the n controls. */
    static double ofFlagged(int flagged, int m, int n) {
        return ofSoMany(flagged, alarms(n), m, n);
    }

    /**
     * The chance that, of so many and so many others that were picked from m and n alike, so many or more are of the m: the
     * hypergeometric distribution's tail.
     *
     * @param mine   picked of the m
     * @param others picked of the n
     */
    static double ofSoMany(int mine, int others, int m, int n) {
        int top = mine + others;
        double chance = 0;
        for (int c = 0; c <= others; c++) {
            if (top - c <= m) {
                chance += Math.exp(logChoose(n, c) + logChoose(m, top - c) - logChoose(m + n, top));
            }
        }
        return Math.min(1, chance);
    }

    /**
     * What the best of k samples scores in the mean over all choices of k among these, without bias (as pass@k, Chen et al. 2021,
     * arXiv 2107.03374; leak@k, arXiv 2511.04934).
     *
     * @param k 1 to as many as there are
     */
    static double bestOf(int k, double[] samples) {
        double[] sorted = samples.clone();
        Arrays.sort(sorted);
        double mean = 0;
        for (int i = k; i <= sorted.length; i++) { // the i-th smallest is the best of those that have k - 1 below it
            mean += sorted[i - 1] * Math.exp(logChoose(i - 1, k - 1) - logChoose(sorted.length, k));
        }
        return mean;
    }

    private static double logChoose(int n, int k) {
        double log = 0;
        for (int i = 1; i <= k; i++) {
            log += Math.log(n - k + i) - Math.log(i);
        }
        return log;
    }
}
