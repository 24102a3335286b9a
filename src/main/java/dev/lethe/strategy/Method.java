/*
 * What a strategy's name stands for: sets its direction, its objective or its training up and runs it to the reference.
 * The weights it leaves in the model are the outcome; whether they are taken is Eraser's to say.
 */
package dev.lethe.strategy;

import static dev.lethe.settings.Parameter.DAMPING;
import static dev.lethe.settings.Parameter.LEARNING_RATE;
import static dev.lethe.settings.Parameter.SLACK;
import static dev.lethe.settings.Parameter.TUNE_STEPS;

import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.AdamW;
import dev.lethe.engine.Engine;
import dev.lethe.engine.KroneckerFactors;
import dev.lethe.engine.LanguageModel;
import dev.lethe.objective.Alternates;
import dev.lethe.objective.CrossEntropyUnlearning;
import dev.lethe.objective.EraseData;
import dev.lethe.objective.GradientDifference;
import dev.lethe.objective.Hold;
import dev.lethe.objective.KlMinimisation;
import dev.lethe.objective.NeverSeen;
import dev.lethe.objective.Npo;
import dev.lethe.objective.Objective;
import dev.lethe.objective.Preference;
import dev.lethe.objective.PrimalDual;
import dev.lethe.objective.QuantileMatch;
import dev.lethe.objective.Rmu;
import dev.lethe.objective.SatImp;
import dev.lethe.objective.SimNpo;
import dev.lethe.objective.Substitutes;
import dev.lethe.objective.Undial;
import dev.lethe.objective.WeightedAscent;
import dev.lethe.results.EraseListener;
import dev.lethe.results.EraseStep;
import dev.lethe.results.EraseStep.Action;
import dev.lethe.results.EraseStep.Phase;
import dev.lethe.results.Losses;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Strategy;
import dev.lethe.settings.Strategy.Kind;
import dev.lethe.settings.TrainConfig;
import dev.lethe.settings.Tuning;
import dev.lethe.strategy.Ascent.TaskVector;
import dev.lethe.strategy.ObjectiveLoop.ObjectiveSteps;
import dev.lethe.text.Example;
import dev.lethe.train.FineTune;
import dev.lethe.train.Ranks;
import dev.lethe.train.Repair;
import dev.lethe.train.SharedModel;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;

/** One erasure's; on its thread. */
public final class Method {
    public static final String INTERRUPTED = "the erasure was interrupted; the source run is as it was and no new run was made";
    /** Most of the repair budget that may go into preconditioning, where a training was short. */
    private static final double SCALE_SHARE = 0.25;
    /** Annealed steps at the end when none are asked for: so many, or this share of the training's if that is more. */
    private static final int SHORTEST_POLISH = 100;
    private static final double POLISH_OF_TRAINING = 1.0 / 7;
    /** What the loss of substitutes weighs beside the distance of quantiles. */
    private static final double SUBSTITUTES = 0.3;

    private final Inputs in;
    private final LanguageModel model;
    private final SharedModel shared;
    private final EraseConfig config;
    private final TrainConfig training;
    private final Consumer<EraseStep> heard;

    /**
     * What there is to work with. {@code fresh} is told every step; {@code erased} are the records to forget,
     * {@code kept} those of a retraining; {@code neverSeen} is null where nothing is held out, or nothing matches it.
     */
    public record Inputs(Engine engine, RunFolder source, EraseConfig config, EraseListener listener, LanguageModel model,
                  StoredGradients stored, EraseData data, NeverSeen neverSeen, List<TextRecord> erased, Dataset kept, Fresh fresh) { }

    /** The new run, as far as a strategy writes it. */
    public interface Fresh {
        void write(EraseStep step);

        /** Where a retraining may put its run, known to the source from now on; gone when the new run is complete. */
        Path retrained();

        /**
         * Makes what the retraining captured the new run's ledger: the source's is of another training. Of a replay, which is the run's own
         * training but for the erased, the logs and the checkpoints too.
         */
        void takeOver(boolean replayed);
    }

    public Method(Inputs in, double target) {
        this.in = in;
        this.model = in.model();
        this.shared = new SharedModel(model, Ranks.of(in.engine()));
        this.config = in.config();
        this.training = in.source().info().config();
        this.heard = step -> {
            EraseStepEvent.of(step).commit();
            in.fresh().write(step);
            in.listener().step(step, target);
        };
    }

    /** @param target forget loss to come to */
    public LoopResult run(double target) {
        return switch (config.strategy().kind()) {
            case ASCENT -> ascend(target);
            case OBJECTIVE -> descend(target);
            case RETRAIN -> retrain();
        };
    }

    private int budget() {
        return (int) Math.min(Integer.MAX_VALUE, config.repairBudget() * in.source().info().result().steps());
    }

    private int polish() {
        return polish(config, in.source().info().result().steps());
    }

    /** Weights that took long to come to rest take as great a share of that to come to rest again. */
    static int polish(EraseConfig config, long trainSteps) {
        long share = (long) Math.min(Integer.MAX_VALUE, trainSteps * POLISH_OF_TRAINING);
        return config.polish() >= 0 ? config.polish() : (int) Math.max(SHORTEST_POLISH, share);
    }

    private LoopResult ascend(double target) {
        in.listener().stage("direction");
        StoredGradients stored = in.stored();
        return switch (config.strategy()) {
            case LAST_EPOCH, FIRST_EPOCH, MULTI_EPOCH -> along(stored.direction(), target);
            case FRESH -> along(new FreshDirection(shared, in.data().forget()), target);
            case TASK_VECTOR -> {
                FineTune.Options options = new FineTune.Options(training.batchSize(),
                        optimizer(config.tuning().get(LEARNING_RATE)), stored.sites(), config.seed());
                FineTune tuning = new FineTune(model, in.data().forget(), options);
                yield along(new TaskVector(model, tuning, (int) config.tuning().get(TUNE_STEPS)), target);
            }
            case GAUSS_NEWTON -> {
                in.listener().stage("curvature of the retain records");
                KroneckerFactors curvature = config.ledgerCurvature() ? stored.curvature()
                        : GaussNewton.passes(model, stored.sites(), in.data(), config.contrastSample(), config.seed());
                int seen = Math.min(config.contrastSample(), in.data().retain().size()); // in each of two passes
                try (GaussNewton direction = new GaussNewton(shared, in.data(), curvature, config.tuning().get(DAMPING))) {
                    LoopResult result = along(direction, target);
                    yield config.ledgerCurvature() ? result : result.after(2 * Math.ceilDiv(seen, training.batchSize()));
                }
            }
            default -> throw new IllegalStateException(config.strategy() + " is no ascent");
        };
    }

    private LoopResult along(Ascent.AscentDirection direction, double target) {
        in.listener().stage("ascent");
        StoredGradients stored = in.stored();
        int batches = Math.min(config.precondition(), Math.max(1, (int) (SCALE_SHARE * budget())));
        try (RetainScale scale = scale(batches);
             Ascent ascent = new Ascent(shared, stored.sites(), direction, stored.contrast(), scale);
             Hold hold = hold()) {
            Repair repair = new Repair(shared, in.data().retain(), training.batchSize(),
                    optimizer(config.repairRate(), in.source().info().fromNothing() ? 0.5 : 1),
                    config.seed(), more(hold)); // after the ascent: a task vector's fine-tuning has moments of its own
            double cost = 1 + (hold == null ? 0 : Hold.cost(held(), in.data(), training.batchSize()));
            EraseLoop.Budget budget = new EraseLoop.Budget(budget(), batches, polish(), training.batchSize(), cost);
            return new EraseLoop(shared, config, in.data(), ascent, repair, match(target), budget, heard).run(target);
        }
    }

    /** Null without, and where too little is held out to be like. */
    private Runnable match(double target) {
        NeverSeen like = in.neverSeen();
        if (config.matched() == 0 || polish() == 0 || like == null || like.tokens() < QuantileMatch.LEAST_TOKENS) {
            return null;
        }
        List<Example> forget = in.data().forget();
        QuantileMatch quantiles = new QuantileMatch(model, forget, like.scaledTo(target), training.batchSize(), config.seed());
        Substitutes substitutes = new Substitutes(model, forget, in.data().retain(), training.batchSize(), config.seed());
        return () -> {
            quantiles.addGradient(config.matched());
            substitutes.addGradient(config.matched() * SUBSTITUTES);
        };
    }

    private static Runnable more(Hold hold) {
        return hold == null ? () -> { } : hold::addGradient;
    }

    /** Null where no repair is held to anything. */
    private Hold hold() {
        boolean steps = budget() > 0 && (config.strategy().kind() == Kind.OBJECTIVE || config.repair() > 0 || polish() > 0);
        return held() == 0 || !steps ? null : new Hold(in.engine(), model, in.data().held(), held(), config.seed());
    }

    /** Null without preconditioning. */
    private RetainScale scale(int batches) {
        return batches == 0 ? null : new RetainScale(shared, in.data().retain(), training.batchSize(), batches,
                in.stored().sites(), config.seed());
    }

    private LoopResult descend(double target) {
        in.listener().stage("objective " + config.strategy().label());
        ObjectiveSteps steps = new ObjectiveSteps(model, optimizer(config.tuning().get(LEARNING_RATE)), in.stored().sites());
        try (Objective objective = objective();
             Hold hold = hold();
             ObjectiveLoop loop = new ObjectiveLoop(shared, config, in.data(), objective, more(hold), steps, training.batchSize(), heard)) {
            return loop.run(target, budget(), polish());
        }
    }

    private Objective objective() {
        Tuning tuning = config.tuning();
        return switch (config.strategy()) {
            case GRAD_ASCENT, GRAD_DIFF -> new GradientDifference(model, tuning);
            case KL -> new KlMinimisation(in.engine(), model, tuning);
            case RMU -> new Rmu(in.engine(), model, tuning, config.seed());
            case NPO -> new Npo(model, in.data().forget(), tuning);
            case SIMNPO -> new SimNpo(model, tuning);
            case WGA -> new WeightedAscent(model, tuning);
            case SATIMP -> new SatImp(model, tuning);
            case UNDIAL -> new Undial(in.engine(), model, tuning);
            case CEU -> new CrossEntropyUnlearning(model, tuning);
            case PDU -> new PrimalDual(model, tuning, SetLoss.mean(shared, in.data().guard()) + tuning.get(SLACK));
            case DPO -> new Preference(in.engine(), model,
                    Alternates.notKnowing(in.source(), in.erased(), config.seed()), tuning);
            case ALTPO -> new Preference(in.engine(), model,
                    Alternates.of(in.source(), in.erased(), config.alternates(), config.seed()), tuning);
            default -> throw new IllegalStateException(config.strategy() + " is no objective");
        };
    }

    private LoopResult retrain() {
        Losses before = SetLoss.measure(shared, in.data());
        tell(Phase.START, 0, before);
        RetainTraining retraining = new RetainTraining(in.engine(), in.source(), in.listener());
        boolean replays = config.strategy() == Strategy.REPLAY;
        int steps = (int) (replays ? retraining.replayInto(model, in.kept(), in.fresh().retrained())
                : retraining.into(model, in.kept(), in.fresh().retrained()));
        shared.ranks().meet(); // each has read what is moved now
        in.fresh().takeOver(replays);
        Losses after = SetLoss.measure(shared, in.data());
        tell(Phase.POLISH, 1, after);
        return new LoopResult(before, after, 0, steps, true, 0);
    }

    private void tell(Phase phase, int index, Losses losses) {
        heard.accept(new EraseStep(index, phase, Action.OBSERVE, 0, losses.forget(), losses.retain(), losses.heldOut()));
    }

    private int held() {
        return config.held(in.source().info().fromNothing() || model.shape().hasAdapters()); // a base keeps itself
    }

    /** An objective's, with as great a share of the training's rate as measured best: an adapter lies further from rest. */
    private AdamW optimizer(double rate) {
        return optimizer(rate, model.shape().hasAdapters() ? 1 : 0.5);
    }

    /** The training's AdamW at this rate, or where it is 0 at this share of the training's. */
    private AdamW optimizer(double rate, double share) {
        return FineTune.optimizer(training).withLearningRate(rate > 0 ? rate : share * training.learningRate());
    }

    /**
     * What a strategy came to.
     *
     * @param before  losses before the first step
     * @param after   losses at the end
     * @param ascents steps of the ascent or of the objective that were kept
     * @param repairs steps that saw retain records, as a fit of curvature does in two passes
     * @param reached whether it ended where it was to: the forget loss within the reference (two percent short still counts),
     *                the influence gone
     * @param left    share of the influence before that is left; see {@code Erasure.influenceLeft()}
     */
    public record LoopResult(Losses before, Losses after, int ascents, int repairs, boolean reached, double left) {
        /** A forget loss this share of the target counts as reached. */
        static final double NEAR = 0.98;

        static LoopResult of(Losses before, Losses after, int ascents, int repairs, double target) {
            return new LoopResult(before, after, ascents, repairs, after.forget() >= NEAR * target, left(before, after, target));
        }

        /** As it is, after so many more steps' worth of retain records. */
        LoopResult after(int steps) {
            return new LoopResult(before, after, ascents, repairs + steps, reached, left);
        }

        /** How much lower the forget loss still is than the target, as a share of what it was before. */
        static double left(Losses before, Losses now, double target) {
            double gap = target - before.forget();
            return gap <= 0 ? 0 : Math.max(0, (target - now.forget()) / gap);
        }
    }
}
