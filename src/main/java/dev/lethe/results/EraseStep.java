package dev.lethe.results;

/**
 * One move of an erasure as the journal keeps it: what was tried, what the three losses were after it, and whether it
 * was kept. Losses are means over target tokens, in nats a token.
 *
 * @param index   0 for the start, then rising by one a move, refused moves included
 * @param phase   what the loop was doing
 * @param action  what this move was
 * @param rate    length of the step as a share of the norm of the weights (ascent) or learning rate (repair)
 * @param forget  loss of the forget set, between start and the next observation of 64 of it when it is larger; NaN where it
 *                was not measured
 * @param retain  loss of the sampled retain records; NaN where it was not measured
 * @param heldOut loss of the held-out records; NaN where there are none or it was not measured
 */
public record EraseStep(int index, Phase phase, Action action, double rate, double forget, double retain,
                        double heldOut) {
    /** The three stretches of the loop. */
    public enum Phase {
        /** Before the first step. */
        START,
        /** On the way to the reference. */
        ASCENT,
        /** At the reference: repair anneals to nothing. */
        POLISH
    }

    /** What a move did. */
    public enum Action {
        /** Nothing: the losses as they stand. */
        OBSERVE,
        /** A step of the ascent, or of the objective, that was kept. */
        ASCEND,
        /** An ascent step taken back: the forget loss did not rise. */
        ROLL_BACK_STALE,
        /** An ascent step taken back: it passed the target by more than the allowed overshoot. */
        ROLL_BACK_OVERSHOOT,
        /** An ascent step taken back: it hurt the retain records more than the guard allows on the way. */
        ROLL_BACK_GUARD,
        /** AdamW on sampled retain records. */
        REPAIR,
        /** The direction was computed anew from the gradients at the weights of now. */
        RELINEARISE
    }

    /** {@return whether this move was undone} */
    public boolean rolledBack() {
        return switch (action) {
            case ROLL_BACK_STALE, ROLL_BACK_OVERSHOOT, ROLL_BACK_GUARD -> true;
            case OBSERVE, ASCEND, REPAIR, RELINEARISE -> false;
        };
    }
}
