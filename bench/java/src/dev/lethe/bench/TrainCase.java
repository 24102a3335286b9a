/* One training step: gradient of the batch's token mean, clipping to norm 1, AdamW. Peer: bench/python/train_step.py. */
package dev.lethe.bench;

import dev.lethe.engine.AdamW;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.model.Checkpoint;
import dev.lethe.shape.Dtype;
import java.util.Map;

final class TrainCase implements Case {
    private final LanguageModel model;
    private final Batch batch;
    private final double[] weights;
    private long steps;

    TrainCase(Setup setup) {
        model = Checkpoint.load(setup.engine(), setup.model(), Dtype.F32);
        batch = Examples.tokenMean(Examples.read(setup.examples()));
        weights = batch.weights();
    }

    @Override
    public Map<String, Long> run() {
        model.gradient(batch);
        model.step(AdamW.defaults(), ++steps);
        return Map.of();
    }

    @Override
    public void result(Results out) {
        double[] losses = model.gradient(batch);
        double loss = 0;
        for (int b = 0; b < losses.length; b++) {
            loss += weights[b] * losses[b];
        }
        out.add(model, Buffer.GRADIENT);
        out.add("loss", loss);
    }

    @Override
    public void close() {
        model.close();
    }
}
