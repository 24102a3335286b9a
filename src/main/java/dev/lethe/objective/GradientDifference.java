/*
 * Gradient difference (Liu, Liu and Stone 2022, arXiv 2203.12817, as OpenUnlearning has it): descends
 *
 *     -gamma L(forget) + alpha L(retain),   L = mean loss a token of the batch.
 *
 * With alpha = 0 it is gradient ascent (Jang et al. 2023, arXiv 2210.01504), which sees no retain record.
 */
package dev.lethe.objective;

import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
import dev.lethe.text.Example;
import java.util.List;

public record GradientDifference(LanguageModel model, Tuning tuning) implements Objective {
    @Override
    public double gradient(List<Example> forget, List<Example> retain) {
        double[] weights = WeightedLoss.shares(forget, -forgetWeight());
        double[] losses = WeightedLoss.gradient(model, forget, weights, retain, retainWeight());
        return WeightedLoss.sum(retainWeight() * losses[forget.size()], weights, losses);
    }
}
