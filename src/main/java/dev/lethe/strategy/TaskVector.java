/*
 * Task-vector negation (Ilharco et al. 2023, arXiv 2212.04089): the weights move to theta - alpha (theta_ft - theta), with
 * theta_ft the model fine-tuned on the forget set. As a direction it is theta - theta_ft, taken once; alpha is what the
 * calibration finds, or a fixed rate.
 */
package dev.lethe.strategy;

import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.train.FineTune;

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
