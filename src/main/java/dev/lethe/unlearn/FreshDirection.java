/* The direction from the weights of now: the gradient of the forget set's summed losses, nothing from the ledger. */
package dev.lethe.unlearn;

import dev.lethe.data.BatchPlan;
import dev.lethe.data.Example;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import java.util.List;
import java.util.stream.IntStream;

final class FreshDirection implements AscentDirection {
    private static final int RECORDS = 32;

    private final LanguageModel model;
    private final List<Example> forget;

    FreshDirection(LanguageModel model, List<Example> forget) {
        this.model = model;
        this.forget = forget;
    }

    @Override
    public void compute(ParameterVector out) {
        for (int from = 0; from < forget.size(); from += RECORDS) {
            int to = Math.min(forget.size(), from + RECORDS);
            double[] ones = IntStream.range(from, to).mapToDouble(i -> 1).toArray();
            model.gradient(BatchPlan.batch(forget, IntStream.range(from, to).toArray()).withWeights(ones), from > 0, null);
        }
        model.copy(Buffer.GRADIENT, out);
    }

    @Override
    public boolean followsWeights() {
        return true;
    }
}
