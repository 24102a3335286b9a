/* AdamW steps from whatever is in the gradient buffer, with moments of their own that start at zero: one at a time a model. */
package dev.lethe.strategy;

import dev.lethe.engine.AdamW;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.shape.SiteSet;

final class ObjectiveSteps {
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
