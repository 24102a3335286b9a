/*
 * Negative preference optimisation (Zhang, Lin, Bai and Mei 2024, arXiv 2404.05868, eq. 3; weights as OpenUnlearning has
 * them): descends
 *
 *     -gamma (2/beta) mean_b log sigmoid(-beta log(p(y_b) / p_ref(y_b))) + alpha L(retain)
 *
 * with log p(y_b) = -n_b l_b, l_b the record's mean loss and n_b its targets, p_ref the model before the erasure. The
 * gradient is that of the records' mean losses with weights
 *
 *     w_b = -gamma (2/B) n_b sigmoid(-beta n_b (l_b - l_ref_b)):
 *
 * gradient ascent that fades for a record as it becomes less likely than before.
 */
package dev.lethe.objective;

import static dev.lethe.settings.Parameter.BETA;

import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
import dev.lethe.text.Example;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** @param reference mean loss before the erasure of each record that is to be forgotten, by its id */
public record Npo(LanguageModel model, Map<String, Double> reference, Tuning tuning) implements Objective {
    /** Takes the model as it is now for the reference. */
    public Npo(LanguageModel model, List<Example> forget, Tuning tuning) {
        this(model, new HashMap<>(), tuning);
        forget.forEach(record -> reference.put(record.id(), WeightedLoss.losses(model, List.of(record))[0]));
    }

    @Override
    public double gradient(List<Example> forget, List<Example> retain) {
        double[] losses = WeightedLoss.losses(model, forget);
        double[] weights = new double[losses.length];
        double value = 0;
        for (int b = 0; b < losses.length; b++) {
            int targets = forget.get(b).targetCount();
            double rise = tuning.get(BETA) * targets * (losses[b] - reference.get(forget.get(b).id()));
            double scale = 2 * forgetWeight() / losses.length;
            weights[b] = -scale * targets * WeightedLoss.sigmoid(-rise);
            value -= scale / tuning.get(BETA) * WeightedLoss.logSigmoid(rise);
        }
        double kept = WeightedLoss.gradient(model, forget, weights, retain, retainWeight())[losses.length];
        return value + retainWeight() * kept;
    }
}
