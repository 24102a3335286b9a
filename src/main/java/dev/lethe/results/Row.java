package dev.lethe.results;

import org.jspecify.annotations.Nullable;

/**
 * One number of an attack for one model; null where there is none.
 *
 * @param measure   what was measured, such as {@code min_k} or {@code same subject, 20 steps}
 * @param model     {@code erased}, {@code original}, {@code retrained 1}
 * @param value     of the model as a whole
 * @param erased    mean over the erased records, in the measure's unit: nats a token, or a share
 * @param controls  mean over records never seen
 * @param error     standard error of controls less erased, where both are losses
 * @param apart     whether the two can be told apart
 * @param extracted what came out word for word
 * @param baseline  true of what stands beside the others to compare with, and is not judged: the record as learned, by its loss
 */
public record Row(String measure, String model, @Nullable Double value, @Nullable Double erased, @Nullable Double controls,
                  @Nullable Double error, @Nullable Apart apart, @Nullable Extracted extracted, @Nullable Boolean baseline) {
    /**
     * Erased records beside records never seen, under one model.
     *
     * @param auc     the chance that an erased record looks better known than a control; 0.5: they cannot be told apart
     * @param low     of its 99 % interval
     * @param high    of its 99 % interval
     * @param flagged share of the erased records that stand out from all but 1 % of the controls: TPR at 1 % FPR
     * @param chance  that so many or more would by chance; null with flagged where it is not of records
     */
    public record Apart(double auc, double low, double high, @Nullable Double flagged, @Nullable Double chance) { }

    /**
     * Records given away: half of the runs of words that only this record says, in one text.
     *
     * @param records       erased ones
     * @param asked         erased records that were asked for
     * @param controls      controls of which the same could be said: 0, but for chance
     * @param controlsAsked controls that were asked for
     */
    public record Extracted(int records, int asked, int controls, int controlsAsked) { }

    /**
     * {@return the same with what came out}
     *
     * @param extracted what came out
     */
    public Row with(Extracted extracted) {
        return new Row(measure, model, value, erased, controls, error, apart, extracted, baseline);
    }

    /** {@return the same, not to be judged} */
    public Row asBaseline() {
        return new Row(measure, model, value, erased, controls, error, apart, extracted, true);
    }
}
