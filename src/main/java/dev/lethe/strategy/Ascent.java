/*
 * One calibrated ascent step: along the normalised direction, its length found by backtracking. A step is kept when the
 * forget loss rises, does not pass the target by more than the allowed overshoot, and the retain loss stays under the
 * limit; otherwise the weights are put back bit for bit and half the length is tried. Or one step of a fixed rate, which
 * nothing judges.
 */
package dev.lethe.strategy;

import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.objective.EraseData;
import dev.lethe.results.EraseStep.Action;
import dev.lethe.results.Losses;
import dev.lethe.shape.SiteSet;
import dev.lethe.train.FineTune;
import dev.lethe.train.SharedModel;
import java.util.function.Consumer;

final class Ascent implements AutoCloseable {
    private static final int HALVINGS = 14;
    /** A rise smaller than this share of the target is no progress, one larger than the other leaves repair behind. */
    private static final double LEAST_RISE = 1e-3;
    private static final double MOST_RISE = 0.1;

    private final SharedModel shared;
    private final LanguageModel model;
    private final SiteSet sites;
    private final RetainSpan span; // null = none
    private final RetainScale scale; // null = none
    private final ParameterVector steady; // from the source, less the span, scaled: changes only when the source does
    private final ParameterVector direction; // of this step, unit length on the sites
    private final ParameterVector snapshot;
    private final double weightNorm;
    private AscentDirection source;

    Ascent(SharedModel shared, SiteSet sites, AscentDirection source, RetainSpan span, RetainScale scale) {
        this.shared = shared;
        this.model = shared.model();
        this.sites = sites;
        this.span = span;
        this.scale = scale;
        this.source = source;
        this.steady = model.vector();
        this.direction = model.vector();
        this.snapshot = model.buffer(Buffer.PARAMETERS).copy();
        this.weightNorm = Math.sqrt(snapshot.dot(snapshot, sites));
        try {
            aim();
        } catch (Throwable e) { // an interrupt, a damaged entry
            close();
            throw e;
        }
    }

    /** What a step must respect. */
    record Limits(double target, double overshoot, double retain) { }

    /**
     * What became of a step: the losses after it (not the held-out records', which judge none) and the share at which it was
     * kept, or the reason why none was.
     */
    record Outcome(Losses losses, double share, Action action) { }

    /** Replaces the direction's source and computes it. */
    void relinearise(AscentDirection next) {
        source = next;
        aim();
    }

    boolean followsWeights() {
        return source.followsWeights();
    }

    private void aim() {
        source.compute(steady);
        if (span != null) {
            span.removeFrom(steady);
        }
        if (scale != null) {
            scale.apply(steady);
        }
    }

    private void steer() {
        if (source.followsWeights()) {
            aim();
        }
        direction.scale(0);
        direction.axpy(1, steady);
    }

    private void normalise() {
        double norm = Math.sqrt(direction.dot(direction, sites));
        direction.scale(norm == 0 ? 0 : 1 / norm);
    }

    /**
     * Tries lengths share, share/2, … of the weights' norm. {@code tried} hears of every length that was taken back.
     * After a refusal the weights are as before.
     */
    Outcome step(double share, Losses now, Limits limits, EraseData data, Consumer<Outcome> tried) {
        steer();
        normalise();
        snapshot.assign(model.buffer(Buffer.PARAMETERS));
        Outcome last = null;
        for (int halving = 0; halving < HALVINGS; halving++, share /= 2) {
            model.buffer(Buffer.PARAMETERS).axpy(share * weightNorm, direction, sites);
            last = attempt(share, now, limits, data);
            if (last.action() == Action.ASCEND) {
                return last;
            }
            model.buffer(Buffer.PARAMETERS).assign(snapshot);
            tried.accept(last);
        }
        return new Outcome(now, 0, last.action());
    }

    /** One step of this rate along the direction as it is: no length is looked for and nothing is taken back. */
    void walk(double rate) {
        steer();
        model.buffer(Buffer.PARAMETERS).axpy(rate * source.unit(), direction, sites);
    }

    /** The forget loss refuses most steps that are refused, so the other records are only run when it does not. */
    private Outcome attempt(double share, Losses now, Limits limits, EraseData data) {
        double forget = SetLoss.mean(shared, data.forget());
        Action verdict = judge(now.forget(), forget, limits);
        if (verdict != Action.ASCEND) {
            return new Outcome(new Losses(forget, Double.NaN, Double.NaN), share, verdict);
        }
        Losses after = new Losses(forget, SetLoss.mean(shared, data.guard()), Double.NaN);
        return new Outcome(after, share, after.retain() <= limits.retain() ? verdict : Action.ROLL_BACK_GUARD);
    }

    private static Action judge(double before, double after, Limits limits) {
        double rise = (after - before) / limits.target();
        if (!(after <= limits.target() * (1 + limits.overshoot()) && rise <= MOST_RISE)) {
            return Action.ROLL_BACK_OVERSHOOT;
        }
        return rise > LEAST_RISE ? Action.ASCEND : Action.ROLL_BACK_STALE;
    }

    @Override
    public void close() {
        steady.close();
        direction.close();
        snapshot.close();
        if (span != null) {
            span.close();
        }
    }

    /**
     * A direction along which the forget loss is expected to rise. One file an implementation: add a strategy by adding one.
     * Not thread-safe; used on the erasing thread.
     */
    interface AscentDirection {
        /** Overwrites {@code out} with the direction at the weights of now. A calibrated step gives it a length of its own. */
        void compute(ParameterVector out);

        /** Whether {@link #compute} gives another vector once the weights have moved. */
        default boolean followsWeights() {
            return false;
        }

        /** What makes of the computed vector the one that a fixed rate multiplies: a mean of gradients, not their sum. */
        double unit();
    }

    /*
     * Task-vector negation (Ilharco et al. 2023, arXiv 2212.04089): the weights move to theta - alpha (theta_ft - theta), with
     * theta_ft the model fine-tuned on the forget set. As a direction it is theta - theta_ft, taken once; alpha is what the
     * calibration finds, or a fixed rate.
     */
    /** @param steps of fine-tuning; it zeroes the model's moments here and leaves its weights alone */
    record TaskVector(LanguageModel model, FineTune tuning, int steps) implements Ascent.AscentDirection {
        @Override
        public void compute(ParameterVector out) {
            out.assign(model.buffer(Buffer.PARAMETERS));
            for (int step = 0; step < steps; step++) {
                tuning.step();
            }
            try (ParameterVector tuned = model.buffer(Buffer.PARAMETERS).copy()) {
                model.buffer(Buffer.PARAMETERS).assign(out);
                out.axpy(-1, tuned);
            }
        }

        @Override
        public double unit() {
            return 1;
        }
    }
}
