package dev.lethe.eval;

import dev.lethe.data.BatchPlan;
import dev.lethe.data.Example;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.TensorInfo;
import dev.lethe.engine.Work;
import java.util.List;

/**
 * The gradient-norm attack (Wang et al. 2024, arXiv 2402.17012; OpenUnlearning's mia_gradnorm with p = 2): the L2 norms of
 * the gradient of a record's mean loss, tensor by tensor, and of these the mean. Low means "looks trained on". A pass
 * forward and backward and a reading of all P parameters' gradients a record; overwrites the model's gradient buffer.
 */
public final class GradientNormAttack {
    /** Name in results. */
    public static final String LABEL = "gradient_norm";

    private static final int CHUNK = 1 << 20;

    private GradientNormAttack() {}

    /** One a record; the parameters do not move. */
    public static double[] scores(LanguageModel model, List<Example> examples) {
        return Work.run("evaluation", () -> norms(model, examples));
    }

    private static double[] norms(LanguageModel model, List<Example> examples) {
        double[] scores = new double[examples.size()];
        for (int i = 0; i < scores.length; i++) {
            Work.check("gradient-norm attack interrupted after " + i + " records");
            model.gradient(BatchPlan.batch(examples, new int[] {i}));
            for (TensorInfo tensor : model.tensors()) {
                scores[i] += norm(model, tensor) / model.tensors().size();
            }
        }
        return scores;
    }

    public static MembershipInference.Result attack(LanguageModel model, List<Example> members, List<Example> nonMembers) {
        return MembershipInference.Result.of(LABEL, scores(model, members), scores(model, nonMembers));
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
