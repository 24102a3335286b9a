/* Progress of a training, for progress bars and services. */
package dev.lethe.train;

import java.nio.file.Path;

/**
 * Called on the training's own thread, between steps; keep it short. An exception thrown here ends the training as an
 * interrupt would not: no checkpoint is written, and the run can be resumed from the last one.
 */
public interface TrainListener {

    /** Hears nothing. */
    static TrainListener silent() {
        return new TrainListener() { };
    }

    /** A stretch of work without steps has begun, such as "measuring the model": an adoption has some before its pass. */
    default void stage(String name) { }

    /** Before the first step; also on resume. */
    default void started(TrainPlan plan) { }

    /** After each optimizer step. */
    default void step(TrainStep step) { }

    /** A checkpoint of this many whole steps is on disk. */
    default void checkpoint(long step) { }

    /** The run is complete and its model is in place. */
    default void finished(Path run) { }
}
