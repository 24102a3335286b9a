/*
 * Negative preference optimisation as OpenUnlearning has it: descends
 *
 *     -gamma (2/beta) mean_b log sigmoid(beta n_b (l_b - r_b)) + alpha L(retain),   l_b the record's mean loss,
 *
 * whose gradient is that of the mean losses with weights w_b = -gamma (2/B) n_b sigmoid(-beta n_b (l_b - r_b)): gradient ascent
 * that fades for a record as its loss rises above r_b.
 *
 * NPO (Zhang, Lin, Bai and Mei 2024, arXiv 2404.05868, eq. 3): r_b the record's loss before the erasure, n_b its targets, so that the
 * sigmoid is of -beta log(p(y_b) / p_ref(y_b)). SimNPO (Fan et al. 2024, arXiv 2410.07163, eq. 4): r_b = delta and n_b = 1, the
 * length-normalised loss without a model to refer to.
 */
package dev.lethe.objective;

import static dev.lethe.settings.Parameter.BETA;
import static dev.lethe.settings.Parameter.DELTA;

import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
import dev.lethe.text.Example;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** @param reference r_b of each record that is to be forgotten, by its id; null = delta for all, and no targets count */
public record Npo(LanguageModel model, Map<String, Double> reference, Tuning tuning) implements Objective {
    /** Takes the model as it is now for the reference. */
    public Npo(LanguageModel model, List<Example> forget, Tuning tuning) {
        this(model, forget.stream().collect(Collectors.toMap(Example::id,
                record -> WeightedLoss.losses(model, List.of(record))[0], (first, _) -> first)), tuning);
    }

    public static Npo simple(LanguageModel model, Tuning tuning) {
        return new Npo(model, (Map<String, Double>) null, tuning);
    }

    @Override
    public double gradient(List<Example> forget, List<Example> retain) {
        double[] losses = WeightedLoss.losses(model, forget);
        double[] weights = new double[losses.length];
        double value = 0;
        for (int b = 0; b < losses.length; b++) {
            int targets = reference == null ? 1 : forget.get(b).targetCount();
            double rise = losses[b] - (reference == null ? tuning.get(DELTA) : reference.get(forget.get(b).id()));
            double margin = tuning.get(BETA) * targets * rise;
            double scale = 2 * forgetWeight() / losses.length;
            weights[b] = -scale * targets * WeightedLoss.sigmoid(-margin);
            value -= scale / tuning.get(BETA) * WeightedLoss.logSigmoid(margin);
        }
        double kept = WeightedLoss.gradient(model, forget, weights, retain, retainWeight())[losses.length];
        return value + retainWeight() * kept;
    }
}
