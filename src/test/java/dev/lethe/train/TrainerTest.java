package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.model.Checkpoint;
import dev.lethe.results.TrainListener;
import dev.lethe.results.TrainStep;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.Schedule;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** What a training leaves behind, and what it refuses. */
@ExtendWith(NoLeaks.class)
class TrainerTest {
    @TempDir
    Path folder;
    private TinyData tiny;
    private Engine engine;

    @BeforeEach
    void open() {
        tiny = new TinyData(folder, 12);
        engine = Engine.cpu();
    }

    @AfterEach
    void close() {
        engine.close();
    }

    private RunFolder train(String name, TrainConfig config) {
        return Trainer.train(engine, tiny.source, tiny.data, folder.resolve(name), config, TrainListener.silent());
    }

    @Test
    void learnsAndLeavesAWholeRun() throws IOException {
        List<TrainStep> seen = new ArrayList<>();
        List<TrainListener.TrainPlan> plans = new ArrayList<>();
        RunFolder run = Trainer.train(engine, tiny.source, tiny.data, folder.resolve("run"),
                TinyData.config().epochs(12).holdoutFraction(0.2).build(), new TrainListener() {
                    @Override
                    public void started(TrainListener.TrainPlan plan) {
                        plans.add(plan);
                    }

                    @Override
                    public void step(TrainStep step) {
                        seen.add(step);
                    }
                });
        assertEquals(30, run.info().data().records());
        assertEquals(6, run.info().data().holdout());
        assertEquals(12 * 8, seen.size());
        assertEquals(seen.size(), plans.getFirst().steps());
        assertTrue(seen.getLast().loss() < 0.5 * seen.getFirst().loss(), seen.getFirst() + " to " + seen.getLast());
        assertTrue(seen.get(7).holdoutLoss().isPresent() && seen.get(6).holdoutLoss().isEmpty());
        assertEquals(seen.size(), Files.readAllLines(run.metrics()).size());
        assertEquals(seen.size(), Files.readAllLines(run.timings()).size());
        assertEquals(RunInfo.State.COMPLETE, RunFolder.open(run.root()).info().state());
        assertEquals(seen.getLast().loss(), run.info().result().finalLoss());
        assertEquals(List.of("ledger", "lethe.json", "metrics.jsonl", "model", "records.jsonl", "timings.jsonl"), names(run.root()));
        try (LanguageModel model = Checkpoint.load(engine, run.model(), Dtype.F32)) {
            assertEquals(run.info().result().modelHash(), Trainer.modelHash(model));
        }
    }

    private static List<String> names(Path root) throws IOException {
        try (var files = Files.list(root)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void sameSeedSameBytes() throws IOException {
        TrainConfig config = TinyData.config().holdoutFraction(0.2).schedule(Schedule.COSINE).warmupSteps(3).build();
        RunFolder one = train("one", config);
        RunFolder two = train("two", config);
        RunBytes.assertSame(one.root(), two.root());
        RunFolder other = train("other", config.toBuilder().seed(4).build());
        assertFalse(one.info().result().modelHash().equals(other.info().result().modelHash()));
    }

    @Test
    void goesOnFromAFolder() {
        RunFolder first = train("first", TinyData.config().epochs(1).capture(TrainConfig.CapturePolicy.NONE).build());
        assertNull(first.info().result().ledger());
        assertFalse(first.hasLedger());
        RunFolder second = Trainer.train(engine, ModelSource.checkpoint(first.model()), tiny.data, folder.resolve("second"),
                TinyData.config().epochs(1).maxSteps(2).build(), TrainListener.silent());
        assertEquals(first.info().result().modelHash(), second.info().source().modelHash());
        assertEquals(2, second.info().result().steps());
        assertEquals(8, second.info().result().ledger().entries());
        assertTrue(Files.exists(second.model().resolve("tokenizer.json")));
    }

    @Test
    void stopsAtNumbersThatAreNotFinite() {
        BadInputException failure = assertThrows(BadInputException.class,
                () -> train("run", TinyData.config().learningRate(1e30).build()));
        assertTrue(failure.getMessage().contains("training stopped at step 2 of 36: "), failure.getMessage());
        assertTrue(failure.getMessage().contains("; record person"), failure.getMessage());
        assertEquals(RunInfo.State.TRAINING, RunFolder.openAny(folder.resolve("run")).info().state());
    }

    @Test
    void refusesBeforeAnythingIsWritten() {
        refused("sites 'attic': ", TinyData.config().sites("attic").build());
        refused("head top-k is 999, the model's vocabulary is only ", TinyData.config().headTopK(999).build());
        refused(folder.resolve("run") + ": training needs about ",
                TinyData.config().epochs(Integer.MAX_VALUE).capture(TrainConfig.CapturePolicy.ALL).build());
        ModelSource small = new ModelSource.Fresh(new ModelShape(5, 16, 8, 1, 1, 16, 1e-5, true), tiny.tokenizer);
        assertTrue(assertThrows(BadInputException.class, () -> Trainer.train(engine, small, tiny.data,
                folder.resolve("run"), TinyData.config().build(), TrainListener.silent())).getMessage()
                .endsWith("but the model's vocabulary is 5; use the model's own tokenizer, or a larger vocab="));
        assertFalse(Files.exists(folder.resolve("run")));
    }

    private void refused(String start, TrainConfig config) {
        String message = assertThrows(BadInputException.class, () -> train("run", config)).getMessage();
        assertTrue(message.startsWith(start), message);
        assertFalse(Files.exists(folder.resolve("run")));
    }

    @Test
    void oneTrainerAFolder() {
        List<String> refusals = new ArrayList<>();
        Trainer.train(engine, tiny.source, tiny.data, folder.resolve("run"), TinyData.config().maxSteps(1).build(),
                new TrainListener() {
                    @Override
                    public void step(TrainStep step) {
                        refusals.add(assertThrows(BadInputException.class,
                                () -> train("run", TinyData.config().build())).getMessage());
                        refusals.add(assertThrows(BadInputException.class, () -> Trainer.resume(engine,
                                folder.resolve("run"), TrainListener.silent())).getMessage());
                    }
                });
        Path run = folder.resolve("run");
        assertEquals(List.of(run + ": already holds a run; name a new folder, or resume the training if it has not finished",
                run + ": another training or erasure is at work in it; wait for it to end, or name another folder"), refusals);
        assertEquals(RunFolder.open(run).info(), Trainer.resume(engine, run, TrainListener.silent()).info(),
                "a complete run is left as it is");
    }
}
