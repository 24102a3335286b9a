package dev.lethe.text;

import dev.lethe.engine.Batch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Which records go into which batch of an epoch: a shuffle that depends on the seed and the epoch only, cut into pieces.
 * Batches are ragged, so records are not sorted by length.
 */
public final class BatchPlan {
    private BatchPlan() {
    }

    /**
     * Positions in {@code examples}, each exactly once; every piece has {@code batchSize} of them but the last, which has
     * the rest. The same arguments give the same plan on every machine.
     */
    public static List<int[]> epoch(List<Example> examples, int batchSize, long seed, int epoch) {
        if (batchSize < 1) {
            throw new IllegalArgumentException("batch size " + batchSize + " must be at least 1");
        }
        int[] order = order(examples.size(), seed, epoch);
        List<int[]> batches = new ArrayList<>();
        for (int from = 0; from < order.length; from += batchSize) {
            batches.add(Arrays.copyOfRange(order, from, Math.min(order.length, from + batchSize)));
        }
        return batches;
    }

    /** The shuffle of an epoch: each of 0 to {@code count} - 1 once. */
    public static int[] order(int count, long seed, int epoch) {
        int[] order = IntStream.range(0, count).toArray();
        SplittableRandom random = new SplittableRandom(mix(mix(seed) + epoch));
        for (int i = order.length - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int other = order[i];
            order[i] = order[j];
            order[j] = other;
        }
        return order;
    }

    /** MurmurHash3's finaliser: seeds that differ by little would give SplittableRandom streams that overlap. */
    private static long mix(long value) {
        long z = (value ^ (value >>> 33)) * 0xFF51AFD7ED558CCDL;
        z = (z ^ (z >>> 33)) * 0xC4CEB9FE1A85EC53L;
        return z ^ (z >>> 33);
    }

    /** The batch of the examples at these positions, in this order, without weights. */
    public static Batch batch(List<Example> all, int[] indices) {
        List<int[]> tokens = new ArrayList<>(indices.length);
        List<int[]> targets = new ArrayList<>(indices.length);
        for (int index : indices) {
            tokens.add(all.get(index).tokens());
            targets.add(all.get(index).targets());
        }
        return Batch.of(tokens, targets);
    }
}
