/*
 * Direct preference optimisation between an answer and another (Rafailov et al. 2023, arXiv 2305.18290; for answers of
 * not knowing: Maini et al. 2024, TOFU, arXiv 2401.06121; for plausible ones: Mekala et al. 2024, AltPO, arXiv 2409.13474;
 * weights as OpenUnlearning has them): descends
 *
 *     -gamma (2/beta) mean_b log sigmoid(beta (log(p(a_b) / p_ref(a_b)) - log(p(y_b) / p_ref(y_b)))) + alpha L(retain),
 *
 * y_b the record's answer, a_b the one in its place, p_ref the model before the erasure. With m_b what the sigmoid is
 * taken of, the gradient is that of the mean losses with weights (2 gamma/B) n sigmoid(-m_b), n the targets of either:
 * above 0 for a_b, below 0 for y_b.
 */
package dev.lethe.objective;

import static dev.lethe.settings.Parameter.BETA;

import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.List;

public record Preference(LanguageModel model, LanguageModel reference, Alternates alternates, Tuning tuning)
        implements Objective {
    /** Takes the model as it is now for the reference. */
    public Preference(Engine engine, LanguageModel model, Alternates alternates, Tuning tuning) {
        this(model, Objective.copy(engine, model), alternates, tuning);
    }

    @Override
    public double gradient(List<Example> forget, List<Example> retain) {
        int count = forget.size();
        List<Example> both = new ArrayList<>(forget);
        forget.forEach(record -> both.add(alternates.next(record)));
        double[] now = WeightedLoss.losses(model, both);
        double[] before = WeightedLoss.losses(reference, both);
        double[] weights = new double[2 * count];
        double scale = 2 * forgetWeight() / count;
        double value = 0;
        for (int b = 0; b < count; b++) {
            int said = both.get(b).targetCount();
            int instead = both.get(count + b).targetCount();
            double margin = tuning.get(BETA) * (said * (now[b] - before[b])
                    - instead * (now[count + b] - before[count + b]));
            weights[b] = -scale * said * WeightedLoss.sigmoid(-margin);
            weights[count + b] = scale * instead * WeightedLoss.sigmoid(-margin);
            value -= scale / tuning.get(BETA) * WeightedLoss.logSigmoid(margin);
        }
        double kept = WeightedLoss.gradient(model, both, weights, retain, retainWeight())[both.size()];
        return value + retainWeight() * kept;
    }

    @Override
    public void close() {
        reference.close();
    }
}
