package dev.lethe.spec;

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
