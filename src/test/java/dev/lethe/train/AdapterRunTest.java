package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.ModelSettings;
import dev.lethe.results.TrainListener;
import dev.lethe.results.TrainStep;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.Lora;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A run of an adapter: stopped and resumed it is the one that was not; what it is of is in all its fingerprints. */
@ExtendWith(NoLeaks.class)
class AdapterRunTest {
    private static final TrainConfig CONFIG = TinyData.config().capture(CapturePolicy.ALL).holdoutFraction(0.1).build();

    @TempDir
    Path folder;
    private TinyData tiny;
    private Engine engine;
    private Path base;

    @BeforeEach
    void open() {
        tiny = new TinyData(folder, 12);
        engine = Engine.cpu();
        base = save("base", 1);
    }

    private Path save(String name, long seed) {
        ModelShape shape = tiny.shape();
        try (LanguageModel model = engine.model(shape, Dtype.F32)) {
            model.initialize(seed);
            Checkpoint.save(model, ModelSettings.of(shape, 1), folder.resolve(name), tiny.tokenizer);
        }
        return folder.resolve(name);
    }

    @AfterEach
    void close() {
        engine.close();
    }

    private RunFolder train(String out, String lora, TrainListener listener) {
        return Trainer.train(engine, new ModelSource.Adapted(base, Lora.parse(lora)), tiny.data, folder.resolve(out), CONFIG, listener);
    }

    private Path stopped() {
        Path run = folder.resolve("stopped");
        Thread caller = Thread.currentThread();
        TrainListener stops = new TrainListener() {
            @Override
            public void step(TrainStep step) {
                if (step.step() == 7) {
                    caller.interrupt();
                }
            }
        };
        assertThrows(InterruptedWorkException.class, () -> train("stopped", "r=3,targets=mlp", stops));
        assertTrue(Thread.interrupted());
        return run;
    }

    @Test
    void stoppedAndResumedIsTheSame() throws IOException {
        RunFolder whole = train("whole", "r=3,targets=mlp", TrainListener.silent());
        Path run = stopped();
        Path checkpoint = run.resolve("checkpoint-" + TrainCheckpoint.last(RunFolder.openAny(run)));
        assertTrue(Files.size(checkpoint.resolve("parameters.bin")) < Files.size(base.resolve("model.safetensors")) / 2);
        Trainer.resume(engine, run, TrainListener.silent());
        RunBytes.assertSame(whole.root(), run);
        assertEquals("r=3,alpha=6,targets=mlp", whole.info().source().base().lora());
        try (GradientLedger ledger = GradientLedger.open(whole.ledger())) {
            assertEquals(whole.info().source().shape(), ledger.manifest().shape());
            assertEquals(4, ledger.manifest().sites().size());
        }
    }

    /** B is zero to begin with, so the adapters alone are the same on every base. */
    @Test
    void whatItBeganWithIsOfItsBase() throws IOException {
        Path run = stopped();
        Path kept = folder.resolve("kept");
        Files.move(base, kept);
        Path other = save("base", 2);
        String message = assertThrows(BadInputException.class, () -> Trainer.resume(engine, run, TrainListener.silent())).getMessage();
        assertTrue(message.startsWith(run + ": was begun with other weights to begin with, SHA-256 "), message);
        RunFolder elsewhere = train("elsewhere", "r=3,targets=mlp", TrainListener.silent());
        assertNotEquals(RunFolder.openAny(run).info().source().modelHash(), elsewhere.info().source().modelHash());
        Files.move(other, folder.resolve("other"));
        Files.move(kept, base);
        Trainer.resume(engine, run, TrainListener.silent());
        try (GradientLedger ledger = GradientLedger.open(run.resolve("ledger"));
                LanguageModel wider = Checkpoint.adapt(engine, base, Checkpoint.adapted(base, Lora.parse("r=4,targets=mlp")), Dtype.F32)) {
            assertThrows(BadInputException.class, () -> ledger.format(wider));
        }
    }
}
