/*
 * The direction from the weights of now: the gradient of the forget set's summed losses, nothing from the ledger. Or of a
 * part of the set, another each time, where many short steps are taken.
 */
package dev.lethe.strategy;

import dev.lethe.engine.Buffer;
import dev.lethe.engine.ParameterVector;
import dev.lethe.text.Example;
import dev.lethe.train.FineTune.BatchCycle;
import dev.lethe.train.SharedModel;
import java.util.List;

final class FreshDirection implements Ascent.AscentDirection {
    /** Records of one backward pass. */
    static final int RECORDS = 32;

    private final SharedModel shared;
    private final List<Example> forget;
    private final BatchCycle parts; // null = all of it each time

    FreshDirection(SharedModel shared, List<Example> forget) {
        this(shared, forget, null);
    }

    private FreshDirection(SharedModel shared, List<Example> forget, BatchCycle parts) {
        this.shared = shared;
        this.forget = forget;
        this.parts = parts;
    }

    /** Of at most {@code most} records each time, every record before any comes again, in an order of the seed's. */
    static FreshDirection inParts(SharedModel shared, List<Example> forget, int most, long seed) {
        int parts = Math.ceilDiv(forget.size(), most);
        return new FreshDirection(shared, forget,
                parts == 1 ? null : new BatchCycle(forget, Math.ceilDiv(forget.size(), parts), seed));
    }

    @Override
    public void compute(ParameterVector out) {
        List<Example> records = parts == null ? forget : parts.next();
        shared.summedGradient(records, RECORDS);
        out.assign(shared.model().buffer(Buffer.GRADIENT));
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
