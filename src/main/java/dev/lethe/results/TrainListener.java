/* Progress of a training, for progress bars and services. */
package dev.lethe.results;

import dev.lethe.shape.MemoryPlan;
import java.nio.file.Path;
import java.util.List;

/**
 * Called on the training's own thread, between steps; keep it short. An exception thrown here ends the training as an
 * interrupt would not: no checkpoint is written, and the run can be resumed from the last one.
 */
public interface TrainListener {

    /** {@return one that hears nothing} */
    static TrainListener silent() {
        return new TrainListener() { };
    }

    /**
     * A stretch of work without steps has begun, such as "measuring the model": an adoption has some before its pass.
     *
     * @param name in a word or two
     */
    default void stage(String name) { }

    /**
     * Before the first step; also on resume.
     *
     * @param plan what it is about to do
     */
    default void started(TrainPlan plan) { }

    /**
     * After each optimizer step.
     *
     * @param step what was done
     */
    default void step(TrainStep step) { }

    /**
     * A checkpoint of this many whole steps is on disk.
     *
     * @param step what was done
     */
    default void checkpoint(long step) { }

    /**
     * The run is complete and its model is in place.
     *
     * @param run its folder
     */
    default void finished(Path run) { }

    /**
     * What a training is about to do: sizes that a listener shows before the first step.
     *
     * @param records       to be trained on
     * @param holdout       records kept back
     * @param truncated     training records cut to the model's context
     * @param targets       tokens with a loss in one epoch
     * @param steps         optimizer steps of the whole training
     * @param doneSteps     steps already done, of a resumed training
     * @param parameters    of the model
     * @param ledgerBytes   the ledger's estimated size, 0 without capture
     * @param diskBytes     ledger, checkpoints and model together
     * @param kept          steps whose checkpoints are kept to replay from
     * @param keptBytes     of all of them
     * @param batchTokens   of the largest batch
     * @param memory        what the largest batch takes
     * @param microTokens   tokens that a gradient call takes at most, several of them making a batch; 0 = batches stay whole
     */
    public record TrainPlan(int records, int holdout, int truncated, long targets, long steps, long doneSteps,
                            long parameters, long ledgerBytes, long diskBytes, List<Long> kept, long keptBytes,
                            long batchTokens, MemoryPlan memory, long microTokens) {
        private static final double LINK = 50e9;      // bytes a second to the host, at best
        private static final double BF16 = 400e12;    // operations a second of a fast device
        private static final double F32 = 60e12;
        private static final double WORTH_TELLING = 0.01;

        /**
         * {@return seconds in which the entries of the largest batch leave the device, at best; 0 without a device or a capture}
         */
        public double leavingSeconds() {
            return memory.capture() / 2 / LINK; // two batches' lie there
        }

        /**
         * {@return whether a training that captures is sure to wait for its entries to leave the device, every step}
         */
        public boolean waitsForEntries() {
            return leavingSeconds() > Math.max(WORTH_TELLING, 6.0 * parameters * batchTokens / (memory.shadow() > 0 ? BF16 : F32));
        }
    }
}
