/* What is known of a model's training that was made elsewhere. */
package dev.lethe.run;

/**
 * How a run was adopted; losses are means over target tokens, in nats.
 *
 * @param base          folder of the model before fine-tuning, null when none was given
 * @param epochsAssumed whether nobody said how many epochs it was trained
 * @param rateMeasured  whether the learning rate is one found by trial
 * @param loss          of the records as learned
 * @param heldOutLoss   of the held-out records, null without any
 * @param baseLoss      of the records under the base, null without one
 * @param unlearned     records that the model knows no better than ones it never saw
 */
public record Adopted(String base, boolean epochsAssumed, boolean rateMeasured, double loss, Double heldOutLoss,
                      Double baseLoss, int unlearned) {
}
