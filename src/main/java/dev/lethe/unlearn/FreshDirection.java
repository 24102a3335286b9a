/* The direction from the weights of now: the gradient of the forget set's summed losses, nothing from the ledger. */
package dev.lethe.unlearn;

import dev.lethe.data.BatchPlan;
import dev.lethe.data.Example;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import java.util.List;
import java.util.stream.IntStream;

final class FreshDirection implements AscentDirection {
    /** Records of one backward pass. */
    static final int RECORDS = 32;

    private final LanguageModel model;
    private final List<Example> forget;

    FreshDirection(LanguageModel model, List<Example> forget) {
        this.model = model;
        this.forget = forget;
    }

    @Override
    public void compute(ParameterVector out) {
        for (int from = 0; from < forget.size(); from += RECORDS) {
            model.gradient(summed(forget, from), from > 0, null);
        }
        model.copy(Buffer.GRADIENT, out);
    }

    /** At most {@link #RECORDS} records from {@code from} on, each of weight 1: the gradient is the sum of theirs. */
    static Batch summed(List<Example> records, int from) {
        int[] indices = IntStream.range(from, Math.min(records.size(), from + RECORDS)).toArray();
        return BatchPlan.batch(records, indices).withWeights(IntStream.of(indices).mapToDouble(i -> 1).toArray());
    }

    @Override
    public boolean followsWeights() {
        return true;
    }

    @Override
    public double unit() {
        return 1.0 / forget.size();
    }
}
