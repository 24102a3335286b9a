/*
 * Gradient difference (Liu, Liu and Stone 2022, arXiv 2203.12817, as OpenUnlearning has it): descends
 *
 *     -gamma L(forget) + alpha L(retain),   L = mean loss a token of the batch.
 *
 * With alpha = 0 it is gradient ascent (Jang et al. 2023, arXiv 2210.01504), which sees no retain record.
 */
package dev.lethe.objective;

import dev.lethe.engine.LanguageModel;
import dev.lethe.text.Example;
import java.util.Arrays;
import java.util.List;

public final class GradientDifference implements Objective {
    private final LanguageModel model;
    private final double gamma;
    private final double alpha;

    public GradientDifference(LanguageModel model, double gamma, double alpha) {
        this.model = model;
        this.gamma = gamma;
        this.alpha = alpha;
    }

    @Override
    public double gradient(List<Example> forget, List<Example> retain) {
        double[] weights = Arrays.stream(WeightedLoss.shares(forget)).map(share -> -gamma * share).toArray();
        double[] losses = WeightedLoss.gradient(model, forget, weights, retain, alpha);
        double value = alpha * losses[forget.size()];
        for (int b = 0; b < weights.length; b++) {
            value += weights[b] * losses[b];
        }
        return value;
    }

    @Override
    public boolean usesRetain() {
        return alpha > 0;
    }
}
