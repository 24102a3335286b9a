/*
 * The training loop of one run, from a number of whole steps to the end: gradient with capture, AdamW, logs, checkpoints.
 * Bit for bit the same whether it runs through or is stopped and resumed. Leaves out how a run is set up; see Trainer.
 */
package dev.lethe.train;

import dev.lethe.base.BadInputException;
import dev.lethe.base.EngineException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.base.Reason;
import dev.lethe.engine.AdamW;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.CaptureRing.Capture;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.Work;
import dev.lethe.results.TrainListener;
import dev.lethe.results.TrainStep;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.TrainOrder;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Device;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import dev.lethe.train.StepLog.TrainStepEvent;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.IntStream;

/** Belongs to one thread. Owns its logs and its ledger writer, not the model. */
final class Training implements AutoCloseable {
    private static final double CHECKPOINT_SHARE = 0.1;

    private final RunFolder run;
    private final TrainConfig config;
    private final LanguageModel model;
    private final List<Example> train;
    private final List<Example> holdout;
    private final TrainListener listener;
    private final AdamW optimizer;
    private final StepLog log;
    private final StepCapture ledger;
    private final TrainOrder order;
    private final List<Long> keeps;
    private final long steps;
    /** Steps before the first: an adopted model made them elsewhere, and its one pass stands for its last epoch. */
    private final long before;
    private final long microTokens;
    private final Ranks ranks;
    private final RankLedgers ledgers; // null without capture
    private long done;
    private long checkpointed;
    private double lastLoss;
    private long checkpointNanos;
    private long sinceCheckpoint = System.nanoTime();

    /**
     * What a training needs besides its run: the examples by split, who listens, how many tokens fit into memory at
     * once (0 = as many as there are), and whom it is shared with.
     */
    record Inputs(List<Example> train, List<Example> holdout, TrainListener listener, long microTokens, Ranks ranks) { }

    /** Takes the run up behind its last checkpoint; the model must hold the weights it began with. */
    Training(RunFolder run, LanguageModel model, Inputs inputs) {
        this.run = run;
        this.config = run.info().config();
        this.model = model;
        this.train = inputs.train();
        this.holdout = inputs.holdout();
        this.listener = inputs.listener();
        this.microTokens = inputs.microTokens();
        this.ranks = inputs.ranks();
        this.optimizer = FineTune.optimizer(config);
        this.order = new TrainOrder(config, run.info().plan() == null ? RunInfo.Plan.whole(train.size()) : run.info().plan());
        this.keeps = run.info().plan() == null ? List.of() : run.info().plan().kept();
        this.before = adopted() ? order.beforeLast() : 0;
        this.steps = order.steps() - before;
        this.done = TrainCheckpoint.last(run);
        this.checkpointed = done;
        if (done > 0) {
            TrainCheckpoint.restore(run, model, done);
        }
        ranks.requireSame("the checkpoint to go on from", "step " + done);
        this.ledgers = config.capture() == TrainConfig.CapturePolicy.NONE ? null : new RankLedgers(run, ranks, done);
        this.log = ranks.leads() ? StepLog.open(run, done) : null;
        try {
            this.ledger = ledgers == null ? null : openLedger();
        } catch (RuntimeException e) {
            closeLog();
            throw e;
        }
    }

    private StepCapture openLedger() {
        String hash = run.info().source().modelHash();
        if (model.device().kind() == Device.Kind.CPU) {
            return LedgerCapture.open(run, model, hash, ledgers);
        }
        EntryFormat format = LedgerCapture.format(model, config);
        EntryFormat made = format.untruncated(model.dtype());
        return new RingCapture(model, format, BatchSizes.of(train, config, microTokens).entryBytes(model, made),
                () -> LedgerCapture.open(run, model, hash, ledgers));
    }

    private boolean adopted() {
        return run.info().adopted() != null;
    }

    long steps() {
        return steps;
    }

    /** With those that an adopted model made elsewhere. */
    long allSteps() {
        return before + steps;
    }

    long done() {
        return done;
    }

    double lastLoss() {
        return lastLoss;
    }

    /** Runs to the last step, or to an interrupt. */
    void toEnd() {
        while (done < steps) {
            if (ranks.alone() && Work.interrupted()) { // of several, one is told by the others, in the step
                throw interrupted();
            }
            try {
                step();
            } catch (InterruptedWorkException e) {
                throw interrupted();
            }
            if (keeps.contains(done)) {
                checkpoint(true);
            } else if (checkpointDue()) {
                checkpoint(false);
            }
        }
    }

    private InterruptedWorkException interrupted() {
        if (done > checkpointed) {
            checkpoint(false);
        }
        return new InterruptedWorkException("training interrupted after step " + done + " of " + steps + "; " + run.root()
                + " can be resumed");
    }

    private void step() {
        TrainStepEvent event = new TrainStepEvent();
        event.begin();
        long start = System.nanoTime();
        int epoch = order.epoch(before + done);
        TrainOrder.Slots slots = order.at(before + done);
        int[] indices = slots.records();
        double rate = adopted() ? config.learningRate()
                : config.learningRate() * config.schedule().factor(done, config.warmupSteps(), steps);
        boolean captured = ledger != null && indices.length > slots.again()
                && (adopted() || config.capture().captures(epoch, order.wholeEpochs()));
        double norm = move(before + done + 1, slots, rate, captured ? epoch : -1);
        long nanos = System.nanoTime() - start;
        boolean epochEnds = order.endsEpoch(before + done + 1) || done + 1 == steps;
        boolean measured = epochEnds && !holdout.isEmpty();
        OptionalDouble holdoutLoss = measured && ranks.leads() ? OptionalDouble.of(Work.shielded(this::holdoutLoss))
                : OptionalDouble.empty();
        TrainStep step = new TrainStep(done + 1, steps, epoch + 1, config.epochs(), lastLoss, rate, norm, indices.length,
                TokenMean.targets(train, indices), TokenMean.tokens(train, indices), nanos, captured, holdoutLoss);
        if (log != null) {
            log.write(step, ranks.alone() ? null : ranks.apart());
        }
        done++;
        event.finish(step);
        listener.step(step);
        if (measured) {
            ranks.meet(); // rank 0 alone has measured, which takes its time
        }
    }

    /**
     * Gradient, capture into {@code capturedEpoch} (-1: none) and, unless adopted, AdamW; returns the gradient's norm. A step whose
     * records are all masked is one of the schedule and moves nothing, its moments neither: there was nothing to learn.
     */
    private double move(long number, TrainOrder.Slots slots, double rate, int capturedEpoch) {
        int[] indices = slots.records();
        if (indices.length == 0) {
            lastLoss = Double.NaN;
            return 0;
        }
        double[] weights = TokenMean.weights(train, indices);
        double norm;
        try {
            double[] losses = ranks.gradient(model, train, indices, own -> gradient(number, slots, own, weights, rate, capturedEpoch));
            lastLoss = TokenMean.loss(weights, losses);
            if (!Double.isFinite(lastLoss)) {
                throw notFinite(number, indices, losses, null);
            }
            norm = adopted() ? model.buffer(Buffer.GRADIENT).norm() : model.step(optimizer.withLearningRate(rate), number);
        } catch (EngineException e) {
            throw e.status() == EngineException.Status.NOT_FINITE ? notFinite(number, indices, new double[0], e) : e;
        }
        if (capturedEpoch >= 0) {
            ledger.commit();
        }
        return norm;
    }

    /** The gradient of this rank's records, {begin, end} of the step's, in as many pieces as memory wants; their losses. */
    private double[] gradient(long number, TrainOrder.Slots slots, int[] own, double[] weights, double rate, int capturedEpoch) {
        int[] indices = Arrays.copyOfRange(slots.records(), own[0], own[1]);
        int again = Math.clamp(slots.again() - own[0], 0, indices.length);
        double[] losses = new double[indices.length];
        for (int[] piece : BatchSizes.MicroBatches.cut(train, indices, microTokens, again)) {
            int[] some = Arrays.copyOfRange(indices, piece[0], piece[1]);
            double[] shares = Arrays.copyOfRange(weights, own[0] + piece[0], own[0] + piece[1]);
            Capture capture = capturedEpoch < 0 || piece[0] < again ? null
                    : ledger.begin(new StepCapture.Order(train, some, capturedEpoch, number, rate, shares));
            Batch batch = BatchPlan.batch(train, some).withWeights(shares);
            double[] part = model.gradient(batch, piece[0] > 0, capture);
            if (capture != null) {
                ledger.captured();
            }
            System.arraycopy(part, 0, losses, piece[0], part.length);
        }
        return losses;
    }

    /** Not cut short by an interrupt: the step before it has moved the weights already, and its line must be written. */
    private double holdoutLoss() {
        double sum = 0;
        long targets = 0;
        for (int from = 0; from < holdout.size(); from += config.batchSize()) {
            int[] indices = IntStream.range(from, Math.min(holdout.size(), from + config.batchSize())).toArray();
            int here = TokenMean.targets(holdout, indices);
            sum += here * TokenMean.loss(TokenMean.weights(holdout, indices), model.losses(BatchPlan.batch(holdout, indices)));
            targets += here;
        }
        return sum / targets;
    }

    private BadInputException notFinite(long step, int[] indices, double[] losses, EngineException cause) {
        StringBuilder records = new StringBuilder();
        for (int b = 0; b < indices.length; b++) {
            if (losses.length == 0 || !Double.isFinite(losses[b])) {
                records.append(records.isEmpty() ? "" : ", ").append(train.get(indices[b]).id());
            }
        }
        String what = cause == null ? "the loss is not finite" : Reason.of(cause);
        return new BadInputException(run + ": training stopped at step " + step + " of " + steps + ": " + what
                + "; record " + records + "; " + (checkpointed == 0 ? "nothing is checkpointed yet"
                : "the run stands at the checkpoint of step " + checkpointed) + "; a lower learning rate may help", cause);
    }

    /** Every so many steps when asked for; and at an epoch's end, unless checkpoints would take over a tenth of the time. */
    private boolean checkpointDue() {
        if (done == steps) {
            return false;
        }
        if (config.checkpointEverySteps() > 0 && done % config.checkpointEverySteps() == 0) {
            return true;
        }
        return order.endsEpoch(before + done)
                && ranks.first((System.nanoTime() - sinceCheckpoint) * CHECKPOINT_SHARE >= checkpointNanos);
    }

    /** Not cut short by an interrupt, on any rank. @param kept whether it stays, to replay from */
    private void checkpoint(boolean kept) {
        Work.shielded(() -> {
            write(kept);
            ranks.meet();
            return null;
        });
    }

    private void write(boolean kept) {
        long start = System.nanoTime();
        RankLedgers.Counts entries = ledger == null ? RankLedgers.Counts.NONE : ledgers.counts(ledger.sync());
        requireSameWeights();
        if (log != null) {
            log.sync();
            if (kept) {
                TrainCheckpoint.keep(run, model, done, entries, Replay.hash(run.info(), run.records(), done));
            } else {
                TrainCheckpoint.write(run, model, done, entries);
            }
        }
        checkpointed = done;
        sinceCheckpoint = System.nanoTime();
        checkpointNanos = sinceCheckpoint - start;
        listener.checkpoint(done);
    }

    /** Ranks hold the same weights, bit for bit: each has added up the same gradients and made the same steps. */
    void requireSameWeights() {
        if (!ranks.alone()) {
            ranks.requireSame("weights after step " + done, Trainer.modelHash(model));
        }
    }

    private void closeLog() {
        if (log != null) {
            log.close();
        }
    }

    @Override
    public void close() {
        try {
            if (ledger != null) {
                ledger.close();
            }
        } finally {
            closeLog();
        }
    }
}
