/*
 * The learning rate that an adopted model is repaired with, found by trial where nobody knows its training's. Not the highest that
 * leaves the model as it is: a model at its best is harmed by rates that heal one which an erasure has hurt, and healed by none
 * that do not harm it. So it is hurt first, as an erasure would, and the rate is the one that heals it best.
 */
package dev.lethe.train;

import dev.lethe.base.EngineException;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.settings.Schedule;
import dev.lethe.settings.TrainConfig;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/** Stateless; on the model's thread. */
final class RepairRate {
    private static final double[] RATES = {1e-2, 5e-3, 2e-3, 1e-3, 5e-4, 2e-4, 1e-4, 5e-5, 2e-5, 1e-5, 5e-6};
    /** Whole models heal at none above it; adapters, whose B is small, do. */
    private static final double HIGHEST_WHOLE = 2e-3;
    private static final int STEPS = 32;
    private static final int WATCHED = 64;
    /** Nats that the watched records are hurt by, at least. */
    private static final double HURT = 0.5;
    private static final int DOUBLINGS = 24;

    private RepairRate() { }

    /**
     * The rate, from 1e-2 (whole models: 2e-3) down to 5e-6, at which {@value #STEPS} annealed AdamW steps bring down the loss of some
     * learned records most, half of which they are shown, after an ascent on others that cost at least {@value #HURT} nats a token.
     * Lower rates than the first that heals less than the one before it are not tried. The model is as it was afterwards.
     *
     * @param config batch, optimizer and seed; its own rate is the result where there are too few records to try
     */
    static double of(LanguageModel model, List<Example> learned, TrainConfig config) {
        List<Example> mixed = new ArrayList<>(learned);
        Collections.shuffle(mixed, new Random(config.seed()));
        int watched = Math.min(WATCHED, mixed.size() / 2);
        if (watched < 2) {
            return config.learningRate();
        }
        List<Example> watch = mixed.subList(0, watched);
        List<Example> shown = mixed.subList(watched / 2, mixed.size());
        ParameterVector parameters = model.buffer(Buffer.PARAMETERS);
        try (ParameterVector whole = parameters.copy()) {
            double hurt = hurt(model, shown, watch, config);
            try (ParameterVector broken = parameters.copy()) {
                double best = RATES[RATES.length - 1];
                double least = hurt;
                for (double rate : RATES) {
                    if (rate > HIGHEST_WHOLE && !model.shape().hasAdapters()) {
                        continue;
                    }
                    double after = healed(model, shown, watch, config, rate);
                    parameters.assign(broken);
                    if (after < least) {
                        least = after;
                        best = rate;
                    } else if (least < hurt) {
                        break;
                    }
                }
                return best;
            } finally {
                parameters.assign(whole);
            }
        }
    }

    /** Climbs along a batch's gradient; the watched records' loss afterwards. */
    private static double hurt(LanguageModel model, List<Example> shown, List<Example> watch, TrainConfig config) {
        double before = loss(model, watch, config);
        int last = shown.size();
        model.gradient(BatchPlan.batch(shown, IntStream.range(Math.max(0, last - config.batchSize()), last).toArray()));
        ParameterVector parameters = model.buffer(Buffer.PARAMETERS);
        try (ParameterVector direction = model.buffer(Buffer.GRADIENT).copy()) {
            double norm = direction.norm();
            double step = norm == 0 ? 0 : 1e-5 * parameters.norm() / norm;
            double now = before;
            for (int i = 0; i < DOUBLINGS && now < before + HURT; i++, step *= 2) {
                parameters.axpy(step, direction);
                now = loss(model, watch, config);
            }
            return now;
        }
    }

    private static double healed(LanguageModel model, List<Example> shown, List<Example> watch, TrainConfig config, double rate) {
        return EngineException.orInfinite(() -> {
            Repair repair = new Repair(SharedModel.alone(model), shown, config.batchSize(),
                    FineTune.optimizer(config).withLearningRate(rate), config.seed(), () -> { });
            for (int i = 0; i < STEPS; i++) {
                repair.step(Schedule.LINEAR.factor(i, 0, STEPS));
            }
            return loss(model, watch, config);
        });
    }

    private static double loss(LanguageModel model, List<Example> examples, TrainConfig config) {
        return Adopter.mean(examples, Adopter.losses(model, examples, config.batchSize()));
    }
}
