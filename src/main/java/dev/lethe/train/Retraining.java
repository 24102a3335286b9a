/*
 * A run's training again, without some of its records: the counterfactual that influence scores are held against. The
 * same first weights, the same order and rates; a step keeps the weights of the records that remain, so that a retraining
 * differs from the run's own by the absent records and by nothing else. In memory: no capture, no checkpoints, no files.
 */
package dev.lethe.train;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.AdamW;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.Work;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.run.TrainOrder;
import dev.lethe.settings.TrainConfig;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;

/** Trains one model many times. Belongs to the thread that opened it. */
public final class Retraining implements AutoCloseable {
    private final TrainConfig config;
    private final LoadedModel loaded;
    private final LanguageModel model;
    private final ParameterVector start;
    private final List<Example> records;
    private final RunInfo.Plan plan;

    private Retraining(RunFolder run, LoadedModel loaded) {
        this.loaded = loaded;
        config = run.info().config();
        model = loaded.model();
        records = EncodedRecords.of(new Holdout(run.data(Split.TRAIN), run.data(Split.HOLDOUT)), loaded, config).train();
        plan = run.info().plan() == null ? RunInfo.Plan.whole(records.size()) : run.info().plan();
        start = model.buffer(Buffer.PARAMETERS).copy();
    }

    /**
     * @param run a complete run whose data and first weights are still there
     * @throws BadInputException when they are not, or when an erasure made the run, which has no training of its own, or it was adopted
     */
    public static Retraining of(Engine engine, RunFolder run) {
        if (run.info().lineage() != null) {
            throw new BadInputException(run + ": an erasure made it; name the run that was trained");
        }
        if (run.info().adopted() != null) {
            throw new BadInputException(run + ": its model was trained elsewhere and adopted; that training cannot be repeated");
        }
        return Work.run("retraining", () -> load(engine, run));
    }

    private static Retraining load(Engine engine, RunFolder run) {
        LoadedModel loaded = LoadedModel.load(engine, run.info().source().again(), run.info().config().dtype(),
                run.info().config().seed());
        try {
            Trainer.requireSameModel(run.root(), run.info().source(), loaded.model());
            Retraining retraining = new Retraining(run, loaded);
            if (retraining.records.stream().mapToLong(Example::targetCount).sum() != run.info().data().targets()) {
                retraining.start.close();
                throw new BadInputException(run + ": an erasure took records out of it since it was trained; its training"
                        + " cannot be repeated");
            }
            return retraining;
        } catch (Throwable e) {
            loaded.close();
            throw e;
        }
    }

    /** The learned records, in the order of the data. */
    public List<Example> records() {
        return records;
    }

    /** Trains from the first weights to the end. @param kept of {@link #records()}, by position; @param seed of their order */
    public void train(BitSet kept, long seed) {
        Work.run("retraining", () -> trainAll(kept, seed));
    }

    private void trainAll(BitSet kept, long seed) {
        model.buffer(Buffer.PARAMETERS).assign(start);
        FineTune.forgetMoments(model);
        TrainOrder order = new TrainOrder(config.toBuilder().seed(seed).build(), plan);
        for (long step = 0; step < order.steps(); step++) {
            Work.check("retraining was interrupted");
            step(order.at(step).records(), kept, step, order.steps());
        }
    }

    /** The seed of the run's own order. */
    public long order() {
        return config.seed();
    }

    /** A step of which no record is left still moves by its momentum: AdamW has seen a zero gradient. */
    private void step(int[] batch, BitSet kept, long step, long steps) {
        double[] weights = TokenMean.weights(records, batch);
        double[] own = new double[batch.length];
        int[] rest = new int[batch.length];
        int count = 0;
        for (int b = 0; b < batch.length; b++) {
            if (kept.get(batch[b])) {
                rest[count] = batch[b];
                own[count++] = weights[b];
            }
        }
        if (count == 0) {
            model.buffer(Buffer.GRADIENT).scale(0);
        } else {
            model.gradient(BatchPlan.batch(records, Arrays.copyOf(rest, count)).withWeights(Arrays.copyOf(own, count)));
        }
        AdamW optimizer = FineTune.optimizer(config).withLearningRate(config.learningRate()
                * config.schedule().factor(step, config.warmupSteps(), steps));
        model.step(optimizer, step + 1);
    }

    /** The trained model's mean token loss of each example, [M], in nats. */
    public double[] losses(List<Example> examples) {
        double[] losses = new double[examples.size()];
        for (int from = 0; from < losses.length; from += config.batchSize()) {
            int[] piece = IntStream.range(from, Math.min(losses.length, from + config.batchSize())).toArray();
            System.arraycopy(model.losses(BatchPlan.batch(examples, piece)), 0, losses, from, piece.length);
        }
        return losses;
    }

    @Override
    public void close() {
        start.close();
        loaded.close();
    }
}
