/*
 * AdamW on an objective, calibrated as the ascents are: steps until the forget loss is at the reference, one that passes it
 * by too much is halved, then retain-only steps anneal to nothing. Or so many steps of a fixed rate. Leaves out what the
 * objective is.
 */
package dev.lethe.strategy;

import dev.lethe.base.EngineException;
import dev.lethe.engine.AdamW;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.Work;
import dev.lethe.objective.EraseData;
import dev.lethe.objective.Objective;
import dev.lethe.objective.WeightedLoss;
import dev.lethe.results.EraseStep;
import dev.lethe.results.EraseStep.Action;
import dev.lethe.results.EraseStep.Phase;
import dev.lethe.results.Losses;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.FixedRate;
import dev.lethe.shape.SiteSet;
import dev.lethe.train.FineTune.BatchCycle;
import dev.lethe.train.SharedModel;
import java.util.List;
import java.util.function.Consumer;

final class ObjectiveLoop implements AutoCloseable {
    /** Steps between measurements of all three losses; the forget loss is measured at each. */
    private static final int MEASURED = 5;
    private static final int HALVINGS = 14;

    private final SharedModel shared;
    private final LanguageModel model;
    private final EraseConfig config;
    private final EraseData data;
    private final Objective objective;
    private final Runnable more;
    private final ObjectiveSteps steps;
    private final BatchCycle forget;
    private final BatchCycle retain;
    private final Consumer<EraseStep> heard;
    private final ParameterVector snapshot;
    private final ParameterVector move;
    private int index;
    private int ascents;
    private int repairs;
    private Losses now;

    /**
     * @param more adds to the gradient of a step what it must answer besides
     * @param batchSize of forget and of retain records a step; {@code heard} is told every move in order
     */
    ObjectiveLoop(SharedModel shared, EraseConfig config, EraseData data, Objective objective, Runnable more, ObjectiveSteps steps,
                  int batchSize, Consumer<EraseStep> heard) {
        this.shared = shared;
        this.model = shared.model();
        this.config = config;
        this.data = data;
        this.objective = objective;
        this.more = more;
        this.steps = steps;
        this.forget = new BatchCycle(data.forget(), batchSize, config.seed());
        this.retain = new BatchCycle(data.retain(), batchSize, config.seed());
        this.heard = heard;
        this.snapshot = model.vector();
        this.move = model.vector();
    }

    /**
     * As {@link EraseLoop#run}.
     *
     * @param budget   most steps, whether they see forget records, retain records or both
     * @param annealed most of them in the annealed end
     */
    Method.LoopResult run(double target, int budget, int annealed) {
        Losses before = SetLoss.measure(shared, data);
        now = before;
        tell(Phase.START, Action.OBSERVE, 0, now);
        int polish = (int) Math.min(annealed, EraseLoop.POLISH_SHARE * budget);
        if (config.fixed() != null) {
            walk(config.fixed());
            anneal(Double.NEGATIVE_INFINITY, polish);
        } else if (now.forget() < target) {
            climb(target, budget - polish);
            anneal(target, polish);
        }
        return Method.LoopResult.of(before, now, ascents, repairs, target);
    }

    private void climb(double target, int budget) {
        double share = 1;
        for (int taken = 0; now.forget() < target && taken < budget; taken++) {
            share = Math.min(1, 1.5 * step(Phase.ASCENT, target, share));
            if (share == 0) {
                return; // no length is short enough: as near as it gets
            }
            for (int i = 0; i < config.repair() && ++taken < budget; i++) {
                repair(Phase.ASCENT, 1);
            }
        }
        measure();
    }

    private void anneal(double target, int count) {
        double share = 1;
        for (int i = 0; i < count; i++) {
            double left = 1 - (double) i / count;
            double taken = 0;
            if (now.forget() < target) {
                taken = step(Phase.POLISH, target, share * left);
                share = taken > 0 ? taken / left : share / 2;
            }
            if (taken == 0 || !objective.usesRetain()) { // else the step was one on retain records too
                repair(Phase.POLISH, left);
            }
        }
        if (count > 0) {
            measure();
            tell(Phase.POLISH, Action.OBSERVE, 0, now);
        }
    }

    private void walk(FixedRate fixed) {
        for (int i = 0; i < fixed.steps(); i++) {
            Work.check(Method.INTERRUPTED);
            descend();
            move(fixed, fixed.rate());
            count();
            now = SetLoss.measure(shared, data, fixed, ascents);
            tell(Phase.ASCENT, Action.ASCEND, fixed.rate(), now);
            for (int k = 0; k < config.repair(); k++) {
                repair(Phase.ASCENT, 1);
            }
        }
    }

    private void move(FixedRate fixed, double rate) {
        try {
            steps.step(rate);
        } catch (EngineException e) {
            if (e.status() == EngineException.Status.NOT_FINITE) {
                throw SetLoss.notFinite(fixed, ascents);
            }
            throw e;
        }
    }

    private void descend() {
        objective.gradient(forget.next(), objective.usesRetain() ? retain.next() : List.of());
        more.run();
    }

    private void count() {
        ascents++;
        repairs += objective.usesRetain() ? 1 : 0;
    }

    /** One step, cut in half until it does not pass the target by too much. Returns the share it was left at, or 0. */
    private double step(Phase phase, double target, double share) {
        Work.check(Method.INTERRUPTED);
        descend();
        snapshot.assign(model.buffer(Buffer.PARAMETERS));
        double rate = steps.rate(share);
        steps.step(rate);
        move.assign(model.buffer(Buffer.PARAMETERS));
        move.axpy(-1, snapshot);
        for (int halving = 0; halving < HALVINGS; halving++) {
            now = now.withForget(forgetLoss());
            if (now.forget() <= target * (1 + config.overshoot())) {
                count();
                boolean all = ascents % MEASURED == 0;
                Losses told = all ? measure() : new Losses(now.forget(), Double.NaN, Double.NaN);
                tell(phase, Action.ASCEND, rate, told);
                return share;
            }
            tell(phase, Action.ROLL_BACK_OVERSHOOT, rate, new Losses(now.forget(), Double.NaN, Double.NaN));
            share /= 2;
            rate /= 2;
            model.buffer(Buffer.PARAMETERS).assign(snapshot);
            model.buffer(Buffer.PARAMETERS).axpy(Math.scalb(1, -halving - 1), move);
        }
        model.buffer(Buffer.PARAMETERS).assign(snapshot);
        measure();
        return 0;
    }

    private void repair(Phase phase, double share) {
        Work.check(Method.INTERRUPTED);
        WeightedLoss.gradient(model, List.of(), new double[0], retain.next(), 1);
        more.run();
        double rate = steps.rate(share);
        steps.repair(rate);
        repairs++;
        now = now.withForget(SetLoss.mean(shared, data.forget()));
        tell(phase, Action.REPAIR, rate, new Losses(now.forget(), Double.NaN, Double.NaN));
    }

    /** Infinite where the step has left no number: it is then halved as any that goes too far. */
    private double forgetLoss() {
        return EngineException.orInfinite(() -> SetLoss.mean(shared, data.forget()));
    }

    private Losses measure() {
        now = SetLoss.measure(shared, data);
        return now;
    }

    private void tell(Phase phase, Action action, double rate, Losses losses) {
        heard.accept(new EraseStep(index++, phase, action, rate, losses.forget(), losses.retain(), losses.heldOut()));
    }

    @Override
    public void close() {
        snapshot.close();
        move.close();
    }

    /**
     * AdamW steps from whatever is in the gradient buffer, with moments of their own that start at zero: one at a time a model.
     */
    static final class ObjectiveSteps {
        /** As Repair's: a short climb, and a second moment that forgets within the tens of steps an erasure takes. */
        private static final int WARMUP = 5;
        private static final double BETA2 = 0.99;

        private final LanguageModel model;
        private final AdamW options;
        private final SiteSet sites;
        private long steps;

        /**
         * @param options its learning rate is the peak; beta2 is replaced
         * @param sites   whose tensors the objective's steps move
         */
        ObjectiveSteps(LanguageModel model, AdamW options, SiteSet sites) {
            this.model = model;
            this.options = new AdamW(options.learningRate(), options.beta1(), BETA2, options.epsilon(), options.weightDecay(),
                    options.maxNorm());
            this.sites = sites;
            model.buffer(Buffer.MOMENT1).scale(0);
            model.buffer(Buffer.MOMENT2).scale(0);
        }

        /** The rate of the next step at this share of the peak. */
        double rate(double share) {
            return options.learningRate() * share * Math.min(1, (steps + 1.0) / WARMUP);
        }

        /** A step on the objective's sites. */
        void step(double rate) {
            model.step(options.withLearningRate(rate), ++steps, sites);
        }

        /** A step on every site, as repair takes. */
        void repair(double rate) {
            model.step(options.withLearningRate(rate), ++steps);
        }
    }
}
