/* What a training is about to do: sizes that a listener shows before the first step. */
package dev.lethe.train;

import dev.lethe.engine.MemoryPlan;

/**
 * A training before its first step.
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
 * @param memory        what the largest batch takes
 * @param microTokens   tokens that a gradient call takes at most, several of them making a batch; 0 = batches stay whole
 */
public record TrainPlan(int records, int holdout, int truncated, long targets, long steps, long doneSteps,
                        long parameters, long ledgerBytes, long diskBytes, MemoryPlan memory,
                        long microTokens) {
}
