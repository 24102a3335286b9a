/* Batches without end: every example is drawn once, in an order of the seed's, before any is drawn again. */
package dev.lethe.train;

import dev.lethe.data.BatchPlan;
import dev.lethe.data.Example;
import java.util.Arrays;
import java.util.List;

/** An endless sequence of batches of one list of examples. One thread. */
public final class BatchCycle {
    private final List<Example> examples;
    private final int batchSize;
    private final long seed;
    private List<int[]> epoch = List.of();
    private int epochs;
    private int next;

    /** @param batchSize examples a batch; the last of an epoch has what is left */
    public BatchCycle(List<Example> examples, int batchSize, long seed) {
        this.examples = List.copyOf(examples);
        this.batchSize = batchSize;
        this.seed = seed;
    }

    /** Positions of the next batch. */
    public int[] nextIndices() {
        if (next == epoch.size()) {
            epoch = BatchPlan.epoch(examples, batchSize, seed, epochs++);
            next = 0;
        }
        return epoch.get(next++);
    }

    /** The next batch. */
    public List<Example> next() {
        return Arrays.stream(nextIndices()).mapToObj(examples::get).toList();
    }
}
