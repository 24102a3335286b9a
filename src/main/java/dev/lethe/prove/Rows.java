package dev.lethe.prove;

import dev.lethe.metric.Auc;
import dev.lethe.results.Row;
import java.util.Arrays;

/** Makes rows of scores. */
final class Rows {
    private Rows() { }

    /** A number of the whole model. */
    static Row of(String measure, String model, double value) {
        return new Row(measure, model, value, null, null, null, null, null, null);
    }

    /** Losses: low means known. */
    static Row ofLosses(String measure, String model, double[] erased, double[] controls) {
        return of(measure, model, erased, controls, -1);
    }

    /** Shares: high means known. */
    static Row ofShares(String measure, String model, double[] erased, double[] controls) {
        return of(measure, model, erased, controls, 1);
    }

    /** Means alone, of what says nothing of single records. */
    static Row means(String measure, String model, double[] erased, double[] controls) {
        return new Row(measure, model, null, mean(erased), mean(controls), null, null, null, null);
    }

    private static Row of(String measure, String model, double[] erased, double[] controls, int sign) {
        double[] mine = known(erased, sign);
        double[] others = known(controls, sign);
        Row.Apart apart = null;
        if (mine.length > 0 && others.length > 0) {
            double auc = Auc.of(mine, others);
            double[] interval = Auc.interval(auc, mine.length, others.length);
            int flagged = Chances.flagged(mine, others);
            apart = new Row.Apart(auc, interval[0], interval[1], (double) flagged / mine.length,
                    Chances.ofFlagged(flagged, mine.length, others.length));
        }
        return new Row(measure, model, null, mean(erased), mean(controls), sign < 0 ? error(mine, others) : null, apart, null, null);
    }

    /** Of the difference of two means; null where one of them is of fewer than two numbers. */
    private static Double error(double[] some, double[] others) {
        return some.length < 2 || others.length < 2 ? null : Math.sqrt(variance(some) / some.length + variance(others) / others.length);
    }

    private static double variance(double[] numbers) {
        double mean = Arrays.stream(numbers).average().orElseThrow();
        return Arrays.stream(numbers).map(one -> (one - mean) * (one - mean)).sum() / (numbers.length - 1);
    }

    private static double[] known(double[] scores, int sign) {
        return Arrays.stream(scores).filter(Double::isFinite).map(score -> sign * score).toArray();
    }

    private static Double mean(double[] scores) {
        double[] there = known(scores, 1);
        return there.length == 0 ? null : Arrays.stream(there).average().orElseThrow();
    }
}
