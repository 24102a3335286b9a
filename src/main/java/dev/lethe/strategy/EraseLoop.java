/*
 * The calibrated loop (DESIGN, Erasure): ascend, repair, look; stop at the reference and not at a step count; then anneal
 * the repair to nothing, matching quantiles beside it, ascending again whenever the forget loss falls back under the reference.
 * Or without calibration: so many steps of a fixed rate. Leaves out where the reference comes from and what is done with the
 * weights it ends at.
 */
package dev.lethe.strategy;

import dev.lethe.engine.Work;
import dev.lethe.objective.EraseData;
import dev.lethe.results.EraseStep;
import dev.lethe.results.EraseStep.Action;
import dev.lethe.results.EraseStep.Phase;
import dev.lethe.results.Losses;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.FixedRate;
import dev.lethe.strategy.Ascent.Limits;
import dev.lethe.strategy.Ascent.Outcome;
import dev.lethe.strategy.Method.LoopResult;
import dev.lethe.train.Repair;
import dev.lethe.train.SharedModel;
import java.util.function.Consumer;

final class EraseLoop {
    /** On the way the retain loss may rise by this many times the final guard: repair brings it back. */
    private static final double SWING = 4;
    /** Most of the repair budget that may go into the annealed end: the climb cannot do without repair. */
    static final double POLISH_SHARE = 0.8;
    /** How much longer a step is tried than the one before that was kept. */
    private static final double GROWTH = 1.5;
    /** Rounds in which ascent and repair undo each other before the direction counts as stale. */
    private static final int STALE_ROUNDS = 5;
    private static final double STALE_GAIN = 0.01;
    /** The annealed end looks at the forget records so seldom that it costs this share of its steps. */
    private static final double LOOK_SHARE = 0.25;
    /** A forward pass of a record, in gradients of it. */
    private static final double FORWARD = 1.0 / 3;
    /** Most forget records by which a direction is computed anew, and a step judged while there is far to go. */
    private static final int SAMPLE = 64;
    /** Annealed steps from one that matches quantiles to the next: at each, with half the weight, came to the same and took longer. */
    private static final int MATCH_EVERY = 2;
    private static final Runnable NOTHING = () -> { };
    /** Ascents between looks at the held-out records, which steer nothing on the way. */
    private static final int HELD_OUT_EVERY = 5;

    private final SharedModel shared;
    private final EraseConfig config;
    private final EraseData data;
    private final Ascent ascent;
    private final Repair repair;
    private final Runnable match; // adds to a step's gradient; null = none
    private final Budget budget;
    private final Consumer<EraseStep> heard;
    private int index;
    private int ascents;
    private int staleRounds;
    private EraseData watched; // the data, or less of the forget set
    private Losses now;
    private Limits limits;

    /**
     * What the loop may spend besides the ascent.
     *
     * @param steps     most repair steps
     * @param spent     of them before the loop: gradients of batches of retain records
     * @param polish    most annealed repair steps
     * @param batchSize records of a repair step
     * @param step      what one costs, in gradients of its retain records: more than 1 where it is held to other text
     */
    record Budget(int steps, int spent, int polish, int batchSize, double step) {
        int left() {
            return Math.max(0, steps - spent);
        }
    }

    /**
     * @param match adds the gradient that every second annealed step takes besides; null without
     * @param heard is told every move in order
     */
    EraseLoop(SharedModel shared, EraseConfig config, EraseData data, Ascent ascent, Repair repair, Runnable match, Budget budget,
              Consumer<EraseStep> heard) {
        this.shared = shared;
        this.config = config;
        this.data = data;
        this.watched = data;
        this.ascent = ascent;
        this.repair = repair;
        this.match = match;
        this.budget = budget;
        this.heard = heard;
    }

    /** Runs to the reference or to the point where it cannot get nearer. @throws InterruptedWorkException on interrupt */
    LoopResult run(double target) {
        Losses before = SetLoss.measure(shared, data);
        limits = new Limits(target, config.overshoot(), before.retain() + SWING * config.retainGuard());
        now = before;
        tell(Phase.START, Action.OBSERVE, 0);
        int polish = (int) Math.min(budget.polish(), POLISH_SHARE * budget.left() / budget.step());
        int repairs = (int) ((budget.left() - Math.ceil(polish * budget.step())) / budget.step());
        if (config.fixed() != null) {
            walk(config.fixed(), repairs);
            anneal(Double.NEGATIVE_INFINITY, polish);
        } else if (config.iterative() != null) {
            double goal = target - config.iterative().share() * Math.max(0, target - before.forget());
            climb(goal, (int) (budget.left() / budget.step()), config.iterative().rounds());
            now = SetLoss.measure(shared, data, now.forget());
            return new LoopResult(before, now, ascents, spent(), now.forget() >= goal,
                    LoopResult.left(before, now, target));
        } else if (now.forget() < target) {
            climbBySample(target, repairs);
            climb(target, repairs, config.maxAscents());
            anneal(target, polish);
        }
        return LoopResult.of(before, now, ascents, spent(), target);
    }

    /** What retain records cost so far, in repair steps. */
    private int spent() {
        return budget.spent() + (int) Math.ceil(repair.steps() * budget.step());
    }

    private void walk(FixedRate fixed, int repairs) {
        for (int i = 0; i < fixed.steps(); i++) {
            Work.check(Method.INTERRUPTED);
            ascent.walk(fixed.rate());
            ascents++;
            now = SetLoss.measure(shared, data, fixed, ascents);
            tell(Phase.ASCENT, Action.ASCEND, fixed.rate());
            for (int k = 0; k < config.repair() && repair.steps() < repairs; k++) {
                repair(Phase.ASCENT, 1, true, NOTHING);
            }
        }
    }

    /** Most of the way in looks at a part of a large forget set; the rest, and the last word, are the whole set's. */
    private void climbBySample(double target, int repairs) {
        if (data.forget().size() > SAMPLE) {
            watched = data.withForget(EraseData.sample(data.forget(), SAMPLE, config.seed()));
            now = now.withForget(SetLoss.mean(shared, watched.forget()));
            climb(target, repairs, config.maxAscents());
            watched = data;
            now = now.withForget(SetLoss.mean(shared, data.forget()));
            tell(Phase.ASCENT, Action.OBSERVE, 0);
        }
    }

    private void climb(double target, int repairs, int most) {
        double share = config.rate();
        while (now.forget() < target && ascents < most) {
            double atStart = now.forget();
            Outcome outcome = ascend(Phase.ASCENT, share);
            boolean blocked = outcome.action() == Action.ROLL_BACK_GUARD;
            if (outcome.action() == Action.ASCEND) {
                share = outcome.share() * GROWTH;
            } else if (blocked && repair.steps() >= repairs) {
                return; // nothing left to bring the retain loss back with
            } else if (!blocked && !relinearise(Phase.ASCENT)) {
                return;
            }
            for (int i = 0; i < config.repair() && repair.steps() < repairs; i++) {
                repair(Phase.ASCENT, 1, true, NOTHING);
            }
            watchForStaleness(atStart, target);
            if (blocked && config.repair() == 0) {
                return;
            }
        }
    }

    /** Ascent and repair that keep undoing each other mean that the stored direction no longer points uphill. */
    private void watchForStaleness(double atStart, double target) {
        staleRounds = now.forget() - atStart < STALE_GAIN * target ? staleRounds + 1 : 0;
        if (staleRounds >= STALE_ROUNDS && relinearise(Phase.ASCENT)) {
            staleRounds = 0;
        }
    }

    private void anneal(double target, int steps) {
        if (steps > 0 && config.fixed() == null) {
            relinearise(Phase.POLISH); // the stored direction has done the distance; what is left is best seen from here
        }
        double share = config.rate();
        int every = stepsToALook(data.forget().size(), budget.batchSize());
        for (int i = 0; i < steps; i++) {
            if (now.forget() < (match == null ? target : LoopResult.NEAR * target)) {
                Outcome outcome = ascend(Phase.POLISH, share);
                share = outcome.share() > 0 ? outcome.share() * GROWTH : share / 2;
            }
            Runnable also = match != null && i % MATCH_EVERY == 0 ? match : NOTHING;
            repair(Phase.POLISH, 1 - (double) i / steps, (i + 1) % every == 0, also);
        }
        now = SetLoss.measure(shared, data);
        if (steps > 0 && now.forget() < LoopResult.NEAR * target) { // what fell back since the last look
            ascend(Phase.POLISH, share);
            now = SetLoss.measure(shared, data, now.forget());
        }
        tell(Phase.POLISH, Action.OBSERVE, 0);
    }

    /** Annealed steps from one look at so many forget records to the next. */
    static int stepsToALook(int forget, int batchSize) {
        return (int) Math.ceil(FORWARD * forget / batchSize / LOOK_SHARE);
    }

    private Outcome ascend(Phase phase, double share) {
        Work.check(Method.INTERRUPTED);
        Outcome outcome = ascent.step(share, now, limits, watched,
                refused -> tell(phase, refused.action(), refused.share(), refused.losses()));
        if (outcome.action() == Action.ASCEND) {
            ascents++;
            now = outcome.losses();
            if (ascents % HELD_OUT_EVERY == 0) {
                now = now.withHeldOut(SetLoss.mean(shared, data.heldOut()));
            }
            tell(phase, Action.ASCEND, outcome.share());
        }
        return outcome;
    }

    private void repair(Phase phase, double share, boolean look, Runnable also) {
        Work.check(Method.INTERRUPTED);
        double rate = repair.step(share, also);
        double forget = look ? SetLoss.mean(shared, watched.forget()) : Double.NaN;
        now = look ? now.withForget(forget) : now;
        tell(phase, Action.REPAIR, rate, new Losses(forget, Double.NaN, Double.NaN));
    }

    /** Once: from then on the direction follows the weights. */
    private boolean relinearise(Phase phase) {
        if (ascent.followsWeights() || !config.strategy().alongGradients()) {
            return false;
        }
        ascent.relinearise(FreshDirection.inParts(shared, data.forget(), SAMPLE, config.seed()));
        tell(phase, Action.RELINEARISE, 0);
        return true;
    }

    private void tell(Phase phase, Action action, double rate) {
        tell(phase, action, rate, now);
    }

    private void tell(Phase phase, Action action, double rate, Losses losses) {
        heard.accept(new EraseStep(index++, phase, action, rate, losses.forget(), losses.retain(), losses.heldOut()));
    }
}
