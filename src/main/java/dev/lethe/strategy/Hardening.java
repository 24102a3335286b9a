/*
 * Steps against relearning. On trial, a few AdamW steps are taken on some of the forgotten records; the weights then ascend
 * along the gradient that the other forgotten records have there, less what would move their loss of now and what conflicts
 * with retain and anchor records. First-order meta-learning (arXiv 1803.02999) turned round, as tamper-resistant safeguards
 * do (arXiv 2408.00761). A step is kept when the retain loss stays under the limit; otherwise half its length is tried.
 */
package dev.lethe.strategy;

import dev.lethe.engine.AdamW;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.objective.EraseData;
import dev.lethe.results.Losses;
import dev.lethe.settings.EraseConfig;
import dev.lethe.strategy.Ascent.Limits;
import dev.lethe.text.Example;
import dev.lethe.train.FineTune;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

final class Hardening implements AutoCloseable {
    /** Of the weights' norm: measured on the demo, 0.003 costs the retain records nothing and 0.01 does. */
    private static final double SHARE = 0.003;
    private static final int HALVINGS = 6;
    /** Records of each of retain and held-out that steer a step, at least. */
    private static final int LEAST_LIVE = 8;
    /** Most records of a trial, so that its cost does not grow with the forget set. */
    private static final int MOST_RECORDS = 32;
    /** One record in so many is relearned on trial, as an attacker who holds a part would. */
    private static final int SHOWN_ONE_IN = 4;
    /** Of what held-out records come to on the same trial: where a record counts as not relearned. */
    private static final double AIM = 0.95;

    private final LanguageModel model;
    private final EraseData data;
    private final LiveContrast live;
    private final int steps;
    private final AdamW options;
    private final Random random;
    private final ParameterVector weights;
    private final ParameterVector moment1;
    private final ParameterVector moment2;
    private final ParameterVector direction;
    private final ParameterVector own;
    private final double weightNorm;
    private final double aim;
    private long records;

    /**
     * Moves nothing.
     *
     * @param options of a trial's steps
     * @param target  what the relearned loss is held to when too few records are held out to relearn those
     */
    Hardening(LanguageModel model, EraseData data, EraseConfig config, AdamW options, double target) {
        this.model = model;
        this.data = data;
        this.live = new LiveContrast(model, null, data, Math.max(LEAST_LIVE, config.liveContrast()), config.seed());
        this.steps = config.harden();
        this.options = options;
        this.random = new Random(config.seed());
        this.weights = model.buffer(Buffer.PARAMETERS).copy();
        this.moment1 = model.vector();
        this.moment2 = model.vector();
        this.direction = model.vector();
        this.own = model.vector();
        this.weightNorm = Math.sqrt(weights.dot(weights, null));
        this.aim = AIM * (data.heldOut().size() < SHOWN_ONE_IN ? target : trial(draw(data.heldOut())));
    }

    /** The losses after a step, and its length as a share of the weights' norm; 0 when none was needed or none was kept. */
    record Outcome(Losses losses, double share) { }

    /** One step, when a trial finds that the records come back. */
    Outcome step(Losses now, Limits limits) {
        List<Example> drawn = draw(data.distinct());
        if (trial(drawn) >= aim) {
            return new Outcome(now, 0);
        }
        live.removeFrom(direction);
        keepLossOfNow(drawn);
        double norm = Math.sqrt(direction.dot(direction, null));
        double share = SHARE;
        for (int halving = 0; halving < HALVINGS && norm > 0; halving++, share /= 2) {
            model.buffer(Buffer.PARAMETERS).axpy(share * weightNorm / norm, direction);
            Losses after = SetLoss.measure(model, data);
            if (after.retain() <= limits.retain()) {
                return new Outcome(after, share);
            }
            model.buffer(Buffer.PARAMETERS).assign(weights);
        }
        return new Outcome(now, 0);
    }

    /** To first order a step leaves the forget loss at the weights of now where it is: it has its own reference. */
    private void keepLossOfNow(List<Example> drawn) {
        new FreshDirection(model, drawn).compute(own);
        records += drawn.size();
        double square = own.dot(own, null);
        double share = square == 0 ? 0 : direction.dot(own, null) / square;
        if (share > 0) {
            direction.axpy(-share, own);
        }
    }

    private List<Example> draw(List<Example> set) {
        List<Example> shuffled = new ArrayList<>(set);
        Collections.shuffle(shuffled, random);
        return shuffled.subList(0, Math.min(MOST_RECORDS, set.size()));
    }

    /**
     * Loss of the records not shown after relearning the first ones; leaves their gradient there in {@code direction}. Weights
     * and moments end as they were.
     */
    private double trial(List<Example> drawn) {
        int shown = shown(drawn.size());
        List<Example> others = drawn.subList(Math.min(shown, drawn.size() - 1), drawn.size()); // a lone record is both
        weights.assign(model.buffer(Buffer.PARAMETERS));
        moment1.assign(model.buffer(Buffer.MOMENT1));
        moment2.assign(model.buffer(Buffer.MOMENT2));
        FineTune tuning = new FineTune(model, drawn.subList(0, shown), new FineTune.Options(shown, options, null, 0));
        for (int i = 0; i < steps; i++) {
            tuning.step();
        }
        double loss = SetLoss.mean(model, others);
        new FreshDirection(model, others).compute(direction);
        model.buffer(Buffer.PARAMETERS).assign(weights);
        model.buffer(Buffer.MOMENT1).assign(moment1);
        model.buffer(Buffer.MOMENT2).assign(moment2);
        records += (long) steps * shown + others.size();
        return loss;
    }

    /** Records whose gradients were computed so far, live contrast aside: what the trials cost. */
    long records() {
        return records;
    }

    /** Records whose gradients one step computes at most. */
    static int recordsOfAStep(int forget, int steps) {
        int drawn = Math.min(MOST_RECORDS, forget);
        return steps * shown(drawn) + drawn - Math.min(shown(drawn), drawn - 1) + drawn;
    }

    private static int shown(int drawn) {
        return Math.max(1, drawn / SHOWN_ONE_IN);
    }

    @Override
    public void close() {
        live.close();
        weights.close();
        moment1.close();
        moment2.close();
        direction.close();
        own.close();
    }
}
