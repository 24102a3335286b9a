/*
 * The run's training anew, from the same initial weights with the same options and seed, on the retain records alone: what
 * exact unlearning gives and the other strategies are measured against. Costs a training. Leaves out the held-out records,
 * which do not change the weights, and the places of late records, which are learned among the others. Or a replay of it.
 */
package dev.lethe.strategy;

import dev.lethe.base.BadInputException;
import dev.lethe.data.Dataset;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.model.Checkpoint;
import dev.lethe.results.EraseListener;
import dev.lethe.results.TrainListener;
import dev.lethe.results.TrainStep;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Dtype;
import dev.lethe.train.Replay;
import dev.lethe.train.Trainer;
import java.nio.file.Path;
import java.util.List;

record RetainTraining(Engine engine, RunFolder source, EraseListener listener) {
    /** Trains into {@code folder}, which must be free, and puts the weights into {@code model}; the steps it took. */
    long into(LanguageModel model, Dataset retain, Path folder) {
        RunInfo info = source.info();
        if (info.adopted() != null) {
            throw new BadInputException("strategy retrain: the model of " + source + " was trained elsewhere and adopted; train its"
                    + " base on the records to keep instead, and give that as the reference");
        }
        TrainConfig config = info.config().toBuilder().holdoutFraction(0).holdoutData(null).late(null).keepAt(List.of()).build();
        RunFolder run = Trainer.train(engine, info.source().again(), retain, folder, config, new Progress());
        String began = run.info().source().modelHash();
        if (!began.equals(info.source().modelHash())) {
            throw new BadInputException("strategy retrain: the weights that run " + source + " began with, SHA-256 "
                    + info.source().modelHash() + ", are no longer there (now " + began + "); bring them back to "
                    + info.source().checkpoint());
        }
        take(run, model);
        return run.info().result().steps();
    }

    /** As {@link #into} by a {@link Replay}; the steps it took. */
    long replayInto(LanguageModel model, Dataset retain, Path folder) {
        long[] steps = new long[1];
        RunFolder run = Replay.of(engine, source, retain, folder, new Progress() {
            @Override
            public void started(TrainListener.TrainPlan plan) {
                steps[0] = plan.steps() - plan.doneSteps();
            }
        });
        take(run, model);
        return steps[0];
    }

    private void take(RunFolder run, LanguageModel model) {
        try (LanguageModel retrained = Checkpoint.load(engine, run.model(), Dtype.F32)) {
            model.buffer(Buffer.PARAMETERS).assign(retrained.buffer(Buffer.PARAMETERS));
        }
    }

    /** An epoch is a stage of the erasure. */
    private class Progress implements TrainListener {
        private int epoch;

        @Override
        public void step(TrainStep step) {
            if (step.epoch() != epoch) {
                epoch = step.epoch();
                listener.stage("retraining, epoch " + epoch + " of " + step.epochs());
            }
        }
    }
}
