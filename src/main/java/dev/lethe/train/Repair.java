/*
 * AdamW on sampled retain records, so that ascent need not be paid for by what must stay (DESIGN: interleaved repair).
 * Leaves out the schedule: the caller says what share of the peak rate a step takes.
 */
package dev.lethe.train;

import dev.lethe.data.Example;
import dev.lethe.engine.AdamW;
import dev.lethe.engine.LanguageModel;
import java.util.List;

/** Belongs to the model's thread, as {@link FineTune}. */
public final class Repair {
    /** The peak rate, as a share of the training's; of an adapter, which its training leaves further from rest, all of it. */
    private static final double RATE = 0.5;
    /** Fresh moments make the first AdamW steps as long as they get; a short climb keeps them from undoing the training. */
    private static final int WARMUP_STEPS = 5;
    /** Erasures take tens of steps: a second moment that remembers a thousand would still be all bias correction. */
    private static final double BETA2 = 0.99;

    private final FineTune tuning;
    private final double peak;

    /** @param options its learning rate is the peak; beta2 is replaced */
    public Repair(LanguageModel model, List<Example> retain, int batchSize, AdamW options, long seed) {
        AdamW quick = new AdamW(options.learningRate(), options.beta1(), BETA2, options.epsilon(),
                options.weightDecay(), options.maxNorm());
        this.tuning = new FineTune(model, retain, new FineTune.Options(batchSize, quick, null, seed));
        this.peak = options.learningRate();
    }

    /** The peak rate for a model whose training had this one. */
    public static double rate(double trainingRate, LanguageModel model) {
        return model.shape().hasAdapters() ? trainingRate : RATE * trainingRate;
    }

    /** One step at {@code share} of the peak rate. Returns the rate used. */
    public double step(double share) {
        double rate = peak * share * Math.min(1, (tuning.steps() + 1.0) / WARMUP_STEPS);
        tuning.step(rate);
        return rate;
    }

    /** Steps taken so far. */
    public int steps() {
        return (int) tuning.steps();
    }
}
