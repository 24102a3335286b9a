/*
 * AdamW steps on sampled examples, without a run around them: what an erasure repairs with, what a relearning probe asks,
 * and what a test trains by. Leaves out checkpoints, capture and files; see Trainer for those.
 */
package dev.lethe.train;

import dev.lethe.engine.AdamW;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Schedule;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.SiteSet;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.util.Arrays;
import java.util.List;

/**
 * A sequence of optimizer steps on one model. Every example is drawn once before any is drawn again. Belongs to the
 * model's thread; one at a time a model, because the model holds the optimizer's moments, which a new one sets to zero.
 */
public final class FineTune {
    private final SharedModel shared;
    private final LanguageModel model;
    private final List<Example> examples;
    private final Options options;
    private final BatchCycle batches;
    private long steps;

    /**
     * @param batchSize records a step
     * @param optimizer its learning rate is that of {@link #step()}
     * @param sites     whose tensors move, null for all
     * @param seed      of the order of the examples
     */
    public record Options(int batchSize, AdamW optimizer, SiteSet sites, long seed) { }

    /** @throws IllegalArgumentException when there are no examples or the batch is empty */
    public FineTune(LanguageModel model, List<Example> examples, Options options) {
        this(SharedModel.alone(model), examples, options);
    }

    FineTune(SharedModel shared, List<Example> examples, Options options) {
        if (examples.isEmpty() || options.batchSize() < 1) {
            throw new IllegalArgumentException("fine-tuning on " + examples.size() + " examples in batches of "
                    + options.batchSize() + ": both must be at least 1");
        }
        this.shared = shared;
        this.model = shared.model();
        this.examples = List.copyOf(examples);
        this.options = options;
        this.batches = new BatchCycle(examples, options.batchSize(), options.seed());
        forgetMoments(model);
    }

    /** A training's AdamW at its peak rate. */
    public static AdamW optimizer(TrainConfig config) {
        AdamW usual = AdamW.defaults();
        return new AdamW(config.learningRate(), usual.beta1(), usual.beta2(), usual.epsilon(), config.weightDecay(), config.maxNorm());
    }

    static void forgetMoments(LanguageModel model) {
        model.buffer(Buffer.MOMENT1).scale(0);
        model.buffer(Buffer.MOMENT2).scale(0);
    }

    /** One step at the options' learning rate; returns the batch's loss before it. */
    public double step() {
        return step(options.optimizer().learningRate());
    }

    /** One step at this learning rate; returns the batch's mean token loss before it. */
    public double step(double learningRate) {
        return step(learningRate, () -> { });
    }

    /** As {@link #step(double)}; {@code more} adds to the batch's gradient. */
    double step(double learningRate, Runnable more) {
        double loss = shared.gradient(examples, batches.nextIndices());
        more.run();
        AdamW optimizer = options.optimizer().withLearningRate(learningRate);
        steps++;
        if (options.sites() == null) {
            model.step(optimizer, steps);
        } else {
            model.step(optimizer, steps, options.sites());
        }
        return loss;
    }

    /** Several steps on a schedule that starts at the options' rate; returns the mean of their losses, NaN for none. */
    public double run(int count, Schedule schedule) {
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += step(options.optimizer().learningRate() * schedule.factor(i, 0, count));
        }
        return count == 0 ? Double.NaN : sum / count;
    }

    /** Steps taken so far. */
    public long steps() {
        return steps;
    }

    /**
     * An endless sequence of batches of one list of examples. One thread.
     * Batches without end: every example is drawn once, in an order of the seed's, before any is drawn again.
     */
    public static final class BatchCycle {
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
}
