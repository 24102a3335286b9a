/*
 * The direction from the weights of now: the gradient of the forget set's summed losses, nothing from the ledger. Or of a
 * part of the set, another each time, where many short steps are taken.
 */
package dev.lethe.strategy;

import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import dev.lethe.train.FineTune.BatchCycle;
import java.util.List;
import java.util.stream.IntStream;

final class FreshDirection implements Ascent.AscentDirection {
    /** Records of one backward pass. */
    static final int RECORDS = 32;

    private final LanguageModel model;
    private final List<Example> forget;
    private final BatchCycle parts; // null = all of it each time

    FreshDirection(LanguageModel model, List<Example> forget) {
        this(model, forget, null);
    }

    private FreshDirection(LanguageModel model, List<Example> forget, BatchCycle parts) {
        this.model = model;
        this.forget = forget;
        this.parts = parts;
    }

    /** Of at most {@code most} records each time, every record before any comes again, in an order of the seed's. */
    static FreshDirection inParts(LanguageModel model, List<Example> forget, int most, long seed) {
        int parts = Math.ceilDiv(forget.size(), most);
        return new FreshDirection(model, forget,
                parts == 1 ? null : new BatchCycle(forget, Math.ceilDiv(forget.size(), parts), seed));
    }

    @Override
    public void compute(ParameterVector out) {
        List<Example> records = parts == null ? forget : parts.next();
        for (int from = 0; from < records.size(); from += RECORDS) {
            model.gradient(summed(records, from), from > 0, null);
        }
        out.assign(model.buffer(Buffer.GRADIENT));
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
