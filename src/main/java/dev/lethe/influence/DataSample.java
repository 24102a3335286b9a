package dev.lethe.influence;

import dev.lethe.data.BatchPlan;
import dev.lethe.data.Example;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** Pieces of a data set that a pass over it takes: a seeded subsample, and neighbours in batches. */
final class DataSample {
    private DataSample() {
    }

    /** {@code count} of the examples by a shuffle that depends on the seed only, in the data's order. */
    static List<Example> of(List<Example> examples, int count, long seed) {
        int[] chosen = BatchPlan.epoch(examples, count, seed, 0).getFirst();
        Arrays.sort(chosen);
        return Arrays.stream(chosen).mapToObj(examples::get).toList();
    }

    /** Positions 0 to count - 1 in pieces of at most {@code size}. */
    static List<int[]> batches(int count, int size) {
        List<int[]> batches = new ArrayList<>();
        for (int from = 0; from < count; from += size) {
            batches.add(IntStream.range(from, Math.min(count, from + size)).toArray());
        }
        return batches;
    }
}
