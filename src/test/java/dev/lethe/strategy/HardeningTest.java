package dev.lethe.strategy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.AdamW;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.erase.EraserTest;
import dev.lethe.erase.OpenRun;
import dev.lethe.find.Query;
import dev.lethe.model.Checkpoint;
import dev.lethe.objective.EraseData;
import dev.lethe.objective.RunExamples;
import dev.lethe.results.EraseListener;
import dev.lethe.results.Losses;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.Contrast;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Strategy;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.shape.Dtype;
import dev.lethe.strategy.Ascent.Limits;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Steps against relearning on a tiny model after an erasure: what they raise, and that a refused one leaves nothing. */
@ExtendWith(NoLeaks.class)
class HardeningTest {
    private static final EraseConfig CONFIG = EraseConfig.defaults().toBuilder().harden(5).build();
    private static final double UNREACHABLE = 50; // the aim, so that no trial is content

    @TempDir
    Path folder;
    private Engine engine;
    private LanguageModel model;
    private EraseData data;
    private AdamW relearn;

    @BeforeEach
    void train() {
        engine = Engine.cpu();
        TinyData tiny = new TinyData(folder, 12);
        Path run = folder.resolve("run");
        Trainer.train(engine, tiny.source, tiny.data, run, TinyData.config().epochs(40)
                .capture(CapturePolicy.FIRST).build(), TrainListener.silent());
        RunFolder source = RunFolder.open(run);
        RunExamples examples = RunExamples.of(source, null);
        Set<String> ids = examples.learned().stream().limit(6).map(example -> example.id()).collect(Collectors.toSet());
        EraseData split = examples.split(ids, List.of(), CONFIG);
        data = new EraseData(split.forget(), split.retain(), split.guard(), List.of(), List.of());
        Path erased = folder.resolve("erased");
        try (OpenRun whole = OpenRun.open(engine, run)) {
            EraseConfig wide = EraserTest.CONFIG.toBuilder().strategy(Strategy.FIRST_EPOCH).precondition(0)
                    .contrast(Contrast.span(50)).liveContrast(8).polish(60).hold(0) // is soon relearned
                    .retainGuard(50).heldOutGuard(50).keepEntries(true).build();
            whole.erase(whole.find(Query.ids(ids)), wide, erased, EraseListener.NONE);
        }
        model = Checkpoint.load(engine, RunFolder.open(erased).model(), Dtype.F32);
        relearn = RelearnProbe.optimizer(source.info().config());
        relearned(); // as repair does in an erasure, this gives the model AdamW's moments
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    @Test
    void relearningComesToAHigherLossAndTheRetainLossStays() {
        double before = relearned();
        double retain = SetLoss.mean(model, data.retain());
        Losses now = SetLoss.measure(model, data);
        Limits limits = new Limits(UNREACHABLE, 0.1, now.retain() + 0.5);
        try (Hardening hardening = hardening()) {
            for (int i = 0; i < 10; i++) {
                Hardening.Outcome outcome = hardening.step(now, limits);
                assertTrue(outcome.share() > 0, "step " + i + " moved nothing");
                now = outcome.losses();
            }
            assertEquals(10L * Hardening.recordsOfAStep(6, CONFIG.harden()), hardening.records());
        }
        assertTrue(relearned() > before + 0.05, "relearned " + before + ", then " + relearned());
        assertTrue(SetLoss.mean(model, data.retain()) < retain + 0.5, "the limit holds");
    }

    @Test
    void aStepThatHurtsTooMuchIsTakenBackBitForBit() {
        int size = Math.toIntExact(model.flatSize());
        float[] before = model.buffer(Buffer.PARAMETERS).readFloats(0, size);
        try (Hardening hardening = hardening()) {
            Hardening.Outcome outcome = hardening.step(SetLoss.measure(model, data), new Limits(UNREACHABLE, 0.1, -1));
            assertEquals(0, outcome.share());
        }
        assertArrayEquals(before, model.buffer(Buffer.PARAMETERS).readFloats(0, size));
    }

    @Test
    void recordsThatDoNotComeBackAreLeftAlone() {
        int size = Math.toIntExact(model.flatSize());
        float[] before = model.buffer(Buffer.PARAMETERS).readFloats(0, size);
        try (Hardening hardening = new Hardening(model, data, CONFIG, relearn, 0)) {
            assertEquals(0, hardening.step(SetLoss.measure(model, data), new Limits(0, 0.1, UNREACHABLE)).share());
        }
        assertArrayEquals(before, model.buffer(Buffer.PARAMETERS).readFloats(0, size));
    }

    private Hardening hardening() {
        return new Hardening(model, data, CONFIG, relearn, UNREACHABLE);
    }

    private double relearned() {
        return new RelearnProbe(model, CONFIG.harden(), relearn).loss(data.forget());
    }
}
