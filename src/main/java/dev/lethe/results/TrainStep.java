/* What one optimizer step did, for listeners. */
package dev.lethe.results;

import java.util.OptionalDouble;

/**
 * One optimizer step.
 *
 * @param step            1-based, over the whole training
 * @param steps           of the whole training
 * @param epoch           1-based
 * @param epochs          of the whole training
 * @param loss            mean over the batch's target tokens, before the step
 * @param learningRate    of this step
 * @param gradientNorm    global norm before clipping
 * @param records         in the batch
 * @param targets         tokens of the batch that carry a loss
 * @param tokens          tokens of the batch, those of prompts included
 * @param elapsedNanos    wall time of the step, capture included
 * @param captured        whether this step's gradients went into the ledger
 * @param holdoutLoss     mean over the held-out target tokens, at the end of an epoch of a run with held-out records
 */
public record TrainStep(long step, long steps, int epoch, int epochs, double loss, double learningRate,
                        double gradientNorm, int records, int targets, int tokens, long elapsedNanos, boolean captured,
                        OptionalDouble holdoutLoss) {

    /** {@return tokens processed a second in this step} */
    public double tokensPerSecond() {
        return tokens / Math.max(1e-9, elapsedNanos * 1e-9);
    }
}
