/*
 * KL minimisation (Maini et al. 2024, TOFU, arXiv 2401.06121, section 3.2; as OpenUnlearning's GradDiff with KL): descends
 *
 *     -gamma L(forget) + alpha mean_t KL(p_ref || p),
 *
 * the mean over the retain batch's target tokens (OpenUnlearning's is over every position, padding and prompt too), p_ref
 * the model before the erasure.
 */
package dev.lethe.objective;

import static dev.lethe.settings.Parameter.RETAIN_WEIGHT;

import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
import dev.lethe.text.Example;
import java.util.List;

public record KlMinimisation(LanguageModel model, LanguageModel reference, Tuning tuning) implements Objective {
    /** Takes the model as it is now for the reference. */
    public KlMinimisation(Engine engine, LanguageModel model, Tuning tuning) {
        this(model, Objective.copy(engine, model), tuning);
    }

    @Override
    public double gradient(List<Example> forget, List<Example> retain) {
        double value = new GradientDifference(model, tuning.with(RETAIN_WEIGHT, 0)).gradient(forget, List.of());
        if (!usesRetain()) {
            return value;
        }
        double[] weights = WeightedLoss.shares(retain, retainWeight());
        return WeightedLoss.sum(value, weights,
                model.distances().klGradient(WeightedLoss.batch(retain, weights), reference, true));
    }

    @Override
    public void close() {
        reference.close();
    }
}
