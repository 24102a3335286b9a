/*
 * The relearning probe of a study: some of the forgotten records are shown for a few steps, and the loss of the others
 * says how much of them comes back (benign relearning, arXiv 2406.13356). Beside the retrained model's loss after the same
 * it is a share: 1 = as hard to bring back as if it had never been learned.
 */
package dev.lethe.sweep;

import dev.lethe.data.Example;
import dev.lethe.engine.AdamW;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.eval.Evaluator;
import dev.lethe.spec.Spec;
import dev.lethe.train.FineTune;
import java.util.List;

record Relearning(Spec spec) {
    /** Mean token loss of the records that were not shown; NaN with fewer than two records. The weights end as they were. */
    double loss(LanguageModel model, List<Example> forgotten) {
        int shown = Math.min((int) Math.ceil(spec.relearn().share() * forgotten.size()), forgotten.size() - 1);
        if (shown < 1) {
            return Double.NaN;
        }
        AdamW usual = AdamW.defaults();
        AdamW optimizer = new AdamW(spec.relearn().rate() * spec.training().config().learningRate(), usual.beta1(), usual.beta2(),
                usual.epsilon(), spec.training().config().weightDecay(), spec.training().config().maxNorm());
        try (ParameterVector weights = model.buffer(Buffer.PARAMETERS).copy()) {
            FineTune tuning = new FineTune(model, forgotten.subList(0, shown), new FineTune.Options(shown, optimizer, null, 0));
            for (int step = 0; step < spec.relearn().steps(); step++) {
                tuning.step();
            }
            double loss = new Evaluator().evaluate(model, forgotten.subList(shown, forgotten.size())).meanLoss();
            model.buffer(Buffer.PARAMETERS).assign(weights);
            return loss;
        }
    }
}
