package dev.lethe.results;

import java.util.Locale;

/**
 * What a replay would take.
 *
 * @param from     whole steps of the checkpoint that it begins with, 0 = the weights that the training began with
 * @param steps    to replay
 * @param training steps of the whole training
 * @param seconds  of them at the rate that the run's steps took, NaN when no log of the run or its kin tells
 */
public record ReplayPrice(long from, long steps, long training, double seconds) {
    /** {@return of the training's steps} */
    public double share() {
        return (double) steps / training;
    }

    @Override
    public String toString() {
        return String.format(Locale.ROOT, "%,d of the training's %,d steps (%.1f %%)%s, from %s", steps, training, 100 * share(),
                Double.isNaN(seconds) ? "" : String.format(Locale.ROOT, ", about %,.1f s at its own rate", seconds),
                from == 0 ? "its start" : "the checkpoint after step " + from);
    }
}
