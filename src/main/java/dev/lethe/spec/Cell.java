package dev.lethe.spec;

/**
 * One thing to measure in a study: a model trained with one seed, and what was done to make it forget one set of records.
 * Everything that changes the result is here or in the study's training settings, so that equal cells have equal results.
 *
 * @param seed        of training and of every sample drawn
 * @param head        {@code tied} or {@code untied}: whether the output table is the input table
 * @param forget      name of the forget set in the study's specification
 * @param strategy    a label of {@code dev.lethe.settings.Strategy}; {@code original} is the trained model as it is, and
 *                    {@code retrain} a model trained without the forget set: the reference
 * @param sites       selector of the sites that move, as {@code SiteSelector} reads it
 * @param epochs      whose gradients: {@code first}, {@code all} or the number of one epoch, from 0; empty where none are used
 * @param matching    how the forget set is found: {@code ids}, {@code fuzzy:85} or {@code iterative}
 * @param calibration {@code calibrated} (backtracking, stops at the reference) or {@code fixed:RATExSTEPS}
 * @param contrast    what is projected out of the direction: {@code none}, {@code mean}, {@code span:50}
 * @param repair      repair steps on retain records after each ascent step; 0 = without repair
 * @param options     every other option of the erasure that is not the strategy's own, as {@code name=value,name=value}; empty
 *                    when there is none
 */
public record Cell(long seed, String head, String forget, String strategy, String sites, String epochs, String matching,
                   String calibration, String contrast, int repair,
                   String options) {
    /**
     * Gradients that were not captured while training: {@code adopted} takes those of {@code lethe adopt} at the final weights,
     * {@code adopted:N} those after N more epochs, of the rate that the last N of a linear schedule have.
     *
     * @param replayed epochs trained again before, 0 = none
     */
    public record Adoption(int replayed) {
        private static final String NAME = "adopted";

        /** As it stands among a cell's epochs; null for the training's own. */
        public static Adoption of(String epochs) {
            if (epochs == null || !epochs.startsWith(NAME)) {
                return null;
            }
            if (!epochs.matches(NAME + "(:[1-9][0-9]{0,3})?")) {
                throw new IllegalArgumentException("epochs '" + epochs + "': write " + NAME + ", or " + NAME + ":N after N epochs more");
            }
            return new Adoption(epochs.equals(NAME) ? 0 : Integer.parseInt(epochs.substring(NAME.length() + 1)));
        }
    }
}
