/* The end of a training that was asked to stop. */
package dev.lethe.train;

import java.nio.file.Path;

/**
 * The training thread was interrupted. The step under way was dropped, a checkpoint of the last whole step was written,
 * and {@link Trainer#resume} continues from there. The caller's interrupt flag is set again.
 */
public final class TrainingInterruptedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final long step;

    TrainingInterruptedException(Path run, long step, long steps) {
        super("training interrupted after step " + step + " of " + steps + "; " + run + " can be resumed");
        this.step = step;
    }

    /** Steps that are done and checkpointed. */
    public long step() {
        return step;
    }
}
