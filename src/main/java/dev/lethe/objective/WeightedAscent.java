/*
 * Gradient ascent that weighs each target token by what the model says of it, as OpenUnlearning has it: descends
 *
 *     -gamma mean_t w(p_t) (-log p_t) + alpha L(retain),   the mean over the forget batch's target tokens, w a constant.
 *
 * WGA (Wang et al. 2025, arXiv 2502.19301): w = p^beta, ascent that fades for a token as it becomes unlikely.
 * SatImp (Yang et al. 2025, arXiv 2505.11953): w = p^beta (1 - p)^beta2, on tokens that are neither unlikely already nor said with
 * certainty, which weigh least.
 */
package dev.lethe.objective;

import static dev.lethe.settings.Parameter.BETA;
import static dev.lethe.settings.Parameter.BETA2;

import dev.lethe.engine.Batch;
import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.DoubleStream;

/** @param weight of a token, by its log-probability */
public record WeightedAscent(LanguageModel model, Tuning tuning, DoubleUnaryOperator weight) implements Objective {
    public static WeightedAscent wga(LanguageModel model, Tuning tuning) {
        return new WeightedAscent(model, tuning, said -> Math.exp(tuning.get(BETA) * said));
    }

    public static WeightedAscent satImp(LanguageModel model, Tuning tuning) {
        return new WeightedAscent(model, tuning,
                said -> Math.exp(tuning.get(BETA) * said) * Math.pow(-Math.expm1(said), tuning.get(BETA2)));
    }

    @Override
    public double gradient(List<Example> forget, List<Example> retain) {
        double[] said = model.score(WeightedLoss.batch(forget)).logProbability(); // NaN where there is no target
        List<Example> all = new ArrayList<>(forget);
        double[] shares = WeightedLoss.shares(forget, -forgetWeight());
        if (!retain.isEmpty()) {
            all.addAll(retain);
            shares = DoubleStream.concat(Arrays.stream(shares), Arrays.stream(WeightedLoss.shares(retain, retainWeight()))).toArray();
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
