/*
 * SimNPO (Fan et al. 2024, arXiv 2410.07163, eq. 4; the margin as OpenUnlearning has it): NPO with the length-normalised
 * loss in place of the ratio to a reference model. Descends
 *
 *     -gamma (2/beta) mean_b log sigmoid(beta (l_b - delta)) + alpha L(retain),   l_b = the record's mean loss,
 *
 * whose gradient is that of the mean losses with weights w_b = -gamma (2/B) sigmoid(-beta (l_b - delta)).
 */
package dev.lethe.objective;

import static dev.lethe.settings.Parameter.BETA;
import static dev.lethe.settings.Parameter.DELTA;

import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
import dev.lethe.text.Example;
import java.util.List;

public record SimNpo(LanguageModel model, Tuning tuning) implements Objective {
    @Override
    public double gradient(List<Example> forget, List<Example> retain) {
        double[] losses = WeightedLoss.losses(model, forget);
        double[] weights = new double[losses.length];
        double value = 0;
        for (int b = 0; b < losses.length; b++) {
            double margin = tuning.get(BETA) * (losses[b] - tuning.get(DELTA));
            double scale = 2 * forgetWeight() / losses.length;
            weights[b] = -scale * WeightedLoss.sigmoid(-margin);
            value -= scale / tuning.get(BETA) * WeightedLoss.logSigmoid(margin);
        }
        double kept = WeightedLoss.gradient(model, forget, weights, retain, retainWeight())[losses.length];
        return value + retainWeight() * kept;
    }
}
