/*
 * AdamW on sampled retain records, so that ascent need not be paid for by what must stay (DESIGN: interleaved repair).
 * Leaves out the schedule: the caller says what share of the peak rate a step takes.
 */
package dev.lethe.train;

import dev.lethe.engine.AdamW;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.text.Example;
import java.util.List;

/** Belongs to the model's thread, as {@link FineTune}. */
public final class Repair {
    /** Fresh moments make the first AdamW steps as long as they get; a short climb keeps them from undoing the training. */
    private static final int WARMUP_STEPS = 5;
    /** Erasures take tens of steps: a second moment that remembers a thousand would still be all bias correction. */
    private static final double BETA2 = 0.99;
    /**
     * Epsilon, as a share of the root mean square of a gradient of norm one: without it weights that retain records hardly touch,
     * those of words that are not theirs, move as far as all others. An adapter has no such weights, and is not repaired in time so.
     */
    private static final double FLOOR = 0.1;

    private final FineTune tuning;
    private final Runnable more;
    private final double peak;

    /**
     * @param options its learning rate is the peak; beta2 and, but for adapters, epsilon are replaced
     * @param more    adds to the gradient of a step, summed over ranks, what it must answer besides: alike on every rank
     */
    public Repair(SharedModel shared, List<Example> retain, int batchSize, AdamW options, long seed, Runnable more) {
        LanguageModel model = shared.model();
        double epsilon = model.shape().hasAdapters() ? options.epsilon()
                : FLOOR / Math.sqrt(model.buffer(Buffer.PARAMETERS).size());
        AdamW quick = new AdamW(options.learningRate(), options.beta1(), BETA2, epsilon, options.weightDecay(), options.maxNorm());
        this.more = more;
        this.tuning = new FineTune(shared, retain, new FineTune.Options(batchSize, quick, null, seed));
        this.peak = options.learningRate();
    }

    /** One step at {@code share} of the peak rate. Returns the rate used. */
    public double step(double share) {
        return step(share, () -> { });
    }

    /** As the other, a step whose gradient {@code also} adds to. */
    public double step(double share, Runnable also) {
        double rate = peak * share * Math.min(1, (tuning.steps() + 1.0) / WARMUP_STEPS);
        tuning.step(rate, () -> {
            more.run();
            also.run();
        });
        return rate;
    }

    /** Steps taken so far. */
    public int steps() {
        return (int) tuning.steps();
    }
}
