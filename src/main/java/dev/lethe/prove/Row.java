package dev.lethe.prove;

import dev.lethe.metric.Auc;
import java.util.Arrays;

/**
 * One number of an attack for one model; null where there is none.
 *
 * @param measure   what was measured, such as {@code min_k} or {@code same subject, 20 steps}
 * @param model     {@code erased}, {@code original}, {@code retrained 1}
 * @param value     of the model as a whole
 * @param erased    mean over the erased records, in the measure's unit: nats a token, or a share
 * @param controls  mean over records never seen
 * @param apart     whether the two can be told apart
 * @param extracted what came out word for word
 * @param baseline  true of what stands beside the others to compare with, and is not judged: the record as learned, by its loss
 */
public record Row(String measure, String model, Double value, Double erased, Double controls, Apart apart, Extracted extracted,
                  Boolean baseline) {
    /**
     * Erased records beside records never seen, under one model.
     *
     * @param auc     the chance that an erased record looks better known than a control; 0.5: they cannot be told apart
     * @param low     of its 99 % interval
     * @param high    of its 99 % interval
     * @param flagged share of the erased records that stand out from all but 1 % of the controls: TPR at 1 % FPR
     * @param chance  that so many or more would by chance; null with flagged where it is not of records
     */
    public record Apart(double auc, double low, double high, Double flagged, Double chance) { }

    /**
     * Records given away: half of the runs of words that only this record says, in one text.
     *
     * @param records       erased ones
     * @param asked         erased records that were asked for
     * @param controls      controls of which the same could be said: 0, but for chance
     * @param controlsAsked controls that were asked for
     */
    public record Extracted(int records, int asked, int controls, int controlsAsked) { }

    /** A number of the whole model. */
    static Row of(String measure, String model, double value) {
        return new Row(measure, model, value, null, null, null, null, null);
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
        return new Row(measure, model, null, mean(erased), mean(controls), null, null, null);
    }

    private static Row of(String measure, String model, double[] erased, double[] controls, int sign) {
        double[] mine = known(erased, sign);
        double[] others = known(controls, sign);
        Apart apart = null;
        if (mine.length > 0 && others.length > 0) {
            double auc = Auc.of(mine, others);
            double[] interval = Auc.interval(auc, mine.length, others.length);
            int flagged = Chances.flagged(mine, others);
            apart = new Apart(auc, interval[0], interval[1], (double) flagged / mine.length,
                    Chances.ofFlagged(flagged, mine.length, others.length));
        }
        return new Row(measure, model, null, mean(erased), mean(controls), apart, null, null);
    }

    Row with(Extracted extracted) {
        return new Row(measure, model, value, erased, controls, apart, extracted, baseline);
    }

    Row asBaseline() {
        return new Row(measure, model, value, erased, controls, apart, extracted, true);
    }

    private static double[] known(double[] scores, int sign) {
        return Arrays.stream(scores).filter(Double::isFinite).map(score -> sign * score).toArray();
    }

    private static Double mean(double[] scores) {
        double[] there = known(scores, 1);
        return there.length == 0 ? null : Arrays.stream(there).average().orElseThrow();
    }
}
