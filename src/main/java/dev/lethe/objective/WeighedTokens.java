/*
 * Gradients of losses that weigh each target token of the forget records by what the model says of it, the weights taken as
 * constants. Leaves out what the weights are.
 */
package dev.lethe.objective;

import static dev.lethe.settings.Parameter.FORGET_WEIGHT;
import static dev.lethe.settings.Parameter.RETAIN_WEIGHT;

import dev.lethe.engine.Batch;
import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.DoubleStream;

final class WeighedTokens {
    private WeighedTokens() { }

    /**
     * Overwrites the gradient buffer with that of
     *
     *     -gamma sum_t w(log p_t) (-log p_t) / targets + alpha L(retain),
     *
     * the sum over all target tokens of the forget records.
     *
     * @param weight w of a token's log-probability
     * @return the objective's value
     */
    static double descend(LanguageModel model, List<Example> forget, DoubleUnaryOperator weight, List<Example> retain,
                          Tuning tuning) {
        double[] said = model.score(WeightedLoss.batch(forget)).logProbability(); // NaN where there is no target
        List<Example> all = new ArrayList<>(forget);
        double[] shares = WeightedLoss.shares(forget, -tuning.get(FORGET_WEIGHT));
        if (!retain.isEmpty()) {
            all.addAll(retain);
            double[] kept = WeightedLoss.shares(retain, tuning.get(RETAIN_WEIGHT));
            shares = DoubleStream.concat(Arrays.stream(shares), Arrays.stream(kept)).toArray();
        }
        Batch batch = WeightedLoss.batch(all, shares);
        double[] weights = new double[batch.tokenCount()];
        Arrays.fill(weights, 1);
        for (int t = 0; t < said.length; t++) {
            weights[t] = Double.isNaN(said[t]) ? 0 : weight.applyAsDouble(said[t]);
        }
        return WeightedLoss.sum(0, shares, model.distances().weighedGradient(batch, weights, false));
    }
}
