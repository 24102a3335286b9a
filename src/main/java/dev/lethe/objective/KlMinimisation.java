/*
 * KL minimisation (Maini et al. 2024, TOFU, arXiv 2401.06121, section 3.2; as OpenUnlearning's GradDiff with KL): descends
 *
 *     -gamma L(forget) + alpha mean_t KL(p_ref || p),
 *
 * the mean over the retain batch's target tokens (OpenUnlearning's is over every position, padding and prompt too), p_ref
 * the model before the erasure.
 */
package dev.lethe.objective;

import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
import dev.lethe.text.Example;
import java.util.Arrays;
import java.util.List;

public final class KlMinimisation implements Objective {
    private final LanguageModel model;
    private final LanguageModel reference;
    private final Objective ascent;
    private final double alpha;

    /** Takes the model as it is now for the reference. */
    public KlMinimisation(Engine engine, LanguageModel model, Tuning tuning) {
        this.model = model;
        this.reference = ReferenceModel.of(engine, model);
        this.ascent = new GradientDifference(model, tuning.forgetWeight(), 0);
        this.alpha = tuning.retainWeight();
    }

    @Override
    public double gradient(List<Example> forget, List<Example> retain) {
        double value = ascent.gradient(forget, List.of());
        if (!usesRetain()) {
            return value;
        }
        double[] weights = Arrays.stream(WeightedLoss.shares(retain)).map(share -> alpha * share).toArray();
        double[] divergences = model.distances().klGradient(WeightedLoss.batch(retain, weights), reference, true);
        for (int b = 0; b < weights.length; b++) {
            value += weights[b] * divergences[b];
        }
        return value;
    }

    @Override
    public boolean usesRetain() {
        return alpha > 0;
    }

    @Override
    public void close() {
        reference.close();
    }
}
