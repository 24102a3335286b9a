package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.model.Checkpoint;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Dtype;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** The counterfactual is the run's own training but for the records left out. */
@ExtendWith(NoLeaks.class)
class RetrainingTest {
    @TempDir
    Path folder;

    /** The same weights cut into other heads are another model, though no tensor tells. */
    @Test
    void anotherModelOfTheSameWeightsIsRefused() throws IOException {
        TinyData tiny = new TinyData(folder, 5);
        TrainConfig config = TinyData.config().build();
        try (Engine engine = Engine.cpu()) {
            RunFolder base = Trainer.train(engine, tiny.source, tiny.data, folder.resolve("base"), config, TrainListener.silent());
            RunFolder run = Trainer.train(engine, ModelSource.checkpoint(base.model()), tiny.data, folder.resolve("run"),
                    config, TrainListener.silent());
            Retraining.of(engine, run).close();
            Path settings = base.model().resolve("config.json");
            String text = Files.readString(settings);
            Files.writeString(settings, text.replace("\"n_head\" : 2", "\"n_head\" : 4"));
            assertNotEquals(text, Files.readString(settings));
            String message = assertThrows(BadInputException.class, () -> Retraining.of(engine, run)).getMessage();
            assertTrue(message.startsWith(run.root() + ": was begun with a model of ModelShape[") && message.contains("heads=4"),
                    message);
        }
    }

    @Test
    void withEveryRecordItIsTheTrainingOfTheRun() {
        TinyData tiny = new TinyData(folder, 5);
        TrainConfig config = TinyData.config().warmupSteps(2).dtype(Dtype.F64).build();
        try (Engine engine = Engine.cpu()) {
            RunFolder run = Trainer.train(engine, tiny.source, tiny.data, folder.resolve("run"), config, TrainListener.silent());
            try (Retraining retraining = Retraining.of(engine, run);
                    var trained = Checkpoint.load(engine, run.model(), Dtype.F64)) {
                List<Example> records = retraining.records();
                double[] losses = trained.losses(BatchPlan.batch(records, new int[] {0, 1, 2}));
                BitSet all = new BitSet();
                all.set(0, records.size());
                retraining.train(all, retraining.order());
                double[] whole = retraining.losses(records);
                assertArrayEquals(losses, Arrays.copyOf(whole, 3), 1e-6); // the run's model is saved in fp32
                BitSet without = (BitSet) all.clone();
                without.clear(0);
                retraining.train(without, retraining.order());
                double[] left = retraining.losses(records);
                assertTrue(left[0] > whole[0], "a record is learned worse without itself");
                retraining.train(all, retraining.order());
                assertArrayEquals(whole, retraining.losses(records));
                retraining.train(all, 77);
                assertNotEquals(whole[1], retraining.losses(records)[1]);
                retraining.train(new BitSet(), 1); // nothing to learn is no error
                Thread.currentThread().interrupt();
                assertThrows(InterruptedWorkException.class, () -> retraining.train(all, 1));
                assertTrue(Thread.interrupted());
            }
        }
    }
}
