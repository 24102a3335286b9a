/*
 * Saturation and importance (Yang et al. 2025, SatImp, arXiv 2505.11953; as OpenUnlearning has it): descends
 *
 *     -gamma mean_t p_t^beta (1 - p_t)^beta2 (-log p_t) + alpha L(retain),   the mean over the forget batch's target tokens,
 *
 * the weights constants: ascent on tokens that are neither unlikely already nor said with certainty, which weigh least.
 */
package dev.lethe.objective;

import static dev.lethe.settings.Parameter.BETA;
import static dev.lethe.settings.Parameter.BETA2;

import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
import dev.lethe.text.Example;
import java.util.List;

public record SatImp(LanguageModel model, Tuning tuning) implements Objective {
    @Override
    public double gradient(List<Example> forget, List<Example> retain) {
        return WeighedTokens.descend(model, forget,
                said -> Math.exp(tuning.get(BETA) * said) * Math.pow(-Math.expm1(said), tuning.get(BETA2)), retain, tuning);
    }
}
