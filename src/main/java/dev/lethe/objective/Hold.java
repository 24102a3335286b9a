/*
 * What a repair must leave as it is: beside each of its steps the model is held to what it said before the erasure,
 *
 *     sum_b KL(p_before || p) of record b, a mean over all records' tokens,
 *
 * on the text to keep, or without any on tokens drawn at random: on such the whole of what a model does can be copied without
 * its data (Krishna et al. 2020, arXiv 1910.12366). The divergence is the one of KL minimisation, its text is not.
 */
package dev.lethe.objective;

import dev.lethe.engine.Batch;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.text.Example;
import dev.lethe.train.FineTune.BatchCycle;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

public final class Hold implements AutoCloseable {
    /** Tokens of a record of random ones. */
    static final int LENGTH = 16;
    /** Its forward pass in the model of before, and its gradient in that of now, in gradients. */
    private static final double COST = 4.0 / 3;

    private final LanguageModel model;
    private final LanguageModel before;
    private final BatchCycle keep; // null = random tokens
    private final int records;
    private final int length;
    private final Random random;

    /**
     * Takes the model as it is now for what it said before.
     *
     * @param keep    text to keep, of which {@code records} a step; may be empty
     * @param records at least 1
     */
    public Hold(Engine engine, LanguageModel model, List<Example> keep, int records, long seed) {
        this.model = model;
        this.keep = keep.isEmpty() ? null : new BatchCycle(keep, records, seed);
        this.records = records;
        this.length = (int) Math.min(LENGTH, model.shape().context());
        this.random = new Random(seed);
        this.before = Objective.copy(engine, model);
    }

    /** Adds the divergence's gradient to the model's. */
    public void addGradient() {
        List<Example> text = keep == null ? random() : keep.next();
        model.distances().klGradient(WeightedLoss.batch(text).withWeights(WeightedLoss.shares(text)), before, true);
    }

    private List<Example> random() {
        return IntStream.range(0, records).mapToObj(i -> {
            int[] tokens = random.ints(length, 0, (int) model.shape().vocabulary()).toArray();
            int[] targets = Arrays.copyOf(tokens, length); // which ones they are does not matter
            targets[length - 1] = Batch.IGNORE;
            return new Example("random", i, tokens, targets, false);
        }).toList();
    }

    /** What it adds to a repair step's cost, as a share of it: tokens beside those of {@code batchSize} retain records. */
    public static double cost(int records, EraseData data, int batchSize) {
        double held = data.held().isEmpty() ? LENGTH : meanLength(data.held());
        return COST * records * held / (batchSize * meanLength(data.retain()));
    }

    private static double meanLength(List<Example> examples) {
        return examples.stream().mapToInt(example -> example.tokens().length).average().orElseThrow();
    }

    @Override
    public void close() {
        before.close();
    }
}
