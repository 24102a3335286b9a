/*
 * Whether a record comes back: a copy of the weights is fine-tuned for a few steps on some of the forgotten records, and
 * the loss of the others is measured (benign relearning, arXiv 2406.13356). The same on held-out records says what records
 * never seen would give. The weights end as they were.
 */
package dev.lethe.strategy;

import dev.lethe.engine.AdamW;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.settings.TrainConfig;
import dev.lethe.text.Example;
import dev.lethe.train.FineTune;
import java.util.List;

public final class RelearnProbe {
    /** Records relearned; the others are the test. */
    private static final int SHOWN = 5;

    /** Rate of relearning, as a share of the training's peak. */
    private static final double RATE = 0.1;

    private final LanguageModel model;
    private final int steps;
    private final AdamW options;

    public RelearnProbe(LanguageModel model, int steps, AdamW options) {
        this.model = model;
        this.steps = steps;
        this.options = options;
    }

    /** The training's AdamW as relearning uses it. */
    public static AdamW optimizer(TrainConfig training) {
        return FineTune.optimizer(training).withLearningRate(RATE * training.learningRate());
    }

    /** Mean token loss of the records not shown, after relearning {@link #SHOWN} of them or half; NaN with fewer than two records. */
    public double loss(List<Example> records) {
        return steps == 0 ? Double.NaN : loss(records, Math.min(SHOWN, records.size() / 2));
    }

    /** As the other, after relearning the first so many; NaN where none is shown. */
    public double loss(List<Example> records, int shown) {
        if (shown < 1) {
            return Double.NaN;
        }
        try (ParameterVector weights = model.buffer(Buffer.PARAMETERS).copy()) {
            FineTune tuning = new FineTune(model, records.subList(0, shown),
                    new FineTune.Options(shown, options, null, 0));
            for (int step = 0; step < steps; step++) {
                tuning.step();
            }
            double loss = SetLoss.mean(model, records.subList(shown, records.size()));
            model.buffer(Buffer.PARAMETERS).assign(weights);
            return loss;
        }
    }
}
