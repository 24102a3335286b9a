/*
 * Self-distillation toward adjusted logits (Dong et al. 2024, UNDIAL, arXiv 2402.10052; weights as OpenUnlearning has them):
 * descends
 *
 *     gamma mean_t KL(q_t || p_t) + alpha L(retain),   q_t = softmax(z_ref - beta e_target),
 *
 * the mean over the forget batch's target tokens (OpenUnlearning's is over every position, and where there is no target it
 * lowers the logit of a token of no meaning), z_ref the logits of the model before the erasure. OpenUnlearning's cross-entropy
 * is this plus the entropy of q, which no weight moves.
 */
package dev.lethe.objective;

import static dev.lethe.settings.Parameter.BETA;

import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
import dev.lethe.text.Example;
import java.util.List;

public record Undial(LanguageModel model, LanguageModel reference, Tuning tuning) implements Objective {
    /** Takes the model as it is now for the reference. */
    public Undial(Engine engine, LanguageModel model, Tuning tuning) {
        this(model, Objective.copy(engine, model), tuning);
    }

    @Override
    public double gradient(List<Example> forget, List<Example> retain) {
        double value = WeightedLoss.retain(model, retain, retainWeight());
        double[] weights = WeightedLoss.shares(forget, forgetWeight());
        return WeightedLoss.sum(value, weights, model.distances().dampenedGradient(
                WeightedLoss.batch(forget, weights), reference, tuning.get(BETA), !retain.isEmpty()));
    }

    @Override
    public void close() {
        reference.close();
    }
}
