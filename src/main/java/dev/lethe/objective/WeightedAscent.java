/*
 * Weighted gradient ascent (Wang et al. 2025, WGA, arXiv 2502.19301; as OpenUnlearning has it): descends
 *
 *     -gamma mean_t p_t^beta (-log p_t) + alpha L(retain),   the mean over the forget batch's target tokens,
 *
 * p_t^beta a constant: gradient ascent that fades for a token as it becomes unlikely.
 */
package dev.lethe.objective;

import static dev.lethe.settings.Parameter.BETA;

import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
import dev.lethe.text.Example;
import java.util.List;

public record WeightedAscent(LanguageModel model, Tuning tuning) implements Objective {
    @Override
    public double gradient(List<Example> forget, List<Example> retain) {
        return WeighedTokens.descend(model, forget, said -> Math.exp(tuning.get(BETA) * said), retain, tuning);
    }
}
