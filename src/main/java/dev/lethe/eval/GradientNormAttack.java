package dev.lethe.eval;

import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.engine.Work;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.util.List;

/**
 * The gradient-norm attack (Wang et al. 2024, arXiv 2402.17012; GradNormAttack with p = 2 in OpenUnlearning's
 * src/evals/metrics/mia/gradnorm.py): the L2 norms of the gradient of a record's mean loss over its targets but the last,
 * tensor by tensor, and of these the mean. Low means "looks trained on". Without dropout, hence the name: the field turns
 * the model's on, so that a record's score differs from run to run; where a model has none the two are equal. A pass
 * forward and backward and a reading of all P parameters' gradients a record; overwrites the model's gradient buffer.
 */
public final class GradientNormAttack {
    /** Name in results. */
    public static final String LABEL = "gradient_norm_without_dropout";

    private static final int CHUNK = 1 << 20;

    private GradientNormAttack() {}

    /** One a record, NaN for one with a single target; the parameters do not move. */
    public static double[] scores(LanguageModel model, List<Example> examples) {
        return Work.run("evaluation", () -> norms(model, examples));
    }

    private static double[] norms(LanguageModel model, List<Example> examples) {
        double[] scores = new double[examples.size()];
        for (int i = 0; i < scores.length; i++) {
            Work.check("gradient-norm attack interrupted after " + i + " records");
            Example example = examples.get(i);
            if (example.targetCount() < 2) {
                scores[i] = Double.NaN;
                continue;
            }
            model.gradient(BatchPlan.batch(List.of(withoutLastTarget(example)), new int[] {0}));
            for (TensorInfo tensor : model.tensors()) {
                scores[i] += norm(model, tensor) / model.tensors().size();
            }
        }
        return scores;
    }

    public static MembershipInference.Result attack(LanguageModel model, List<Example> members, List<Example> nonMembers) {
        return MembershipInference.Result.of(LABEL, scores(model, members), scores(model, nonMembers));
    }

    private static Example withoutLastTarget(Example example) {
        int[] targets = example.targets().clone();
        int last = targets.length - 1;
        while (targets[last] == Batch.IGNORE) {
            last--;
        }
        targets[last] = Batch.IGNORE;
        return new Example(example.id(), example.index(), example.tokens(), targets, example.truncated());
    }

    private static double norm(LanguageModel model, TensorInfo tensor) {
        double squares = 0;
        for (long from = 0; from < tensor.count(); from += CHUNK) {
            int count = (int) Math.min(CHUNK, tensor.count() - from);
            for (float value : model.buffer(Buffer.GRADIENT).readFloats(tensor.offset() + from, count)) {
                squares += (double) value * value;
            }
        }
        return Math.sqrt(squares);
    }
}
