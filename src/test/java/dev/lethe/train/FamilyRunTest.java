package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.ModelSettings;
import dev.lethe.results.TrainListener;
import dev.lethe.results.TrainStep;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunJson;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.shape.Block;
import dev.lethe.shape.Block.Activation;
import dev.lethe.shape.Block.Family;
import dev.lethe.shape.Block.Option;
import dev.lethe.shape.Block.Rotary;
import dev.lethe.shape.Block.Rotary.Scaling;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.testing.Families;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs of every family: resumed they have the same bytes, and lethe.json tells the block. */
@ExtendWith(NoLeaks.class)
class FamilyRunTest {
    /** As the last version wrote it that knew GPT-2 alone. */
    private static final String GPT2_ALONE = """
            {"format":1,"lethe":"0.1.0","state":"COMPLETE","source":{"shape":{"vocabulary":100,"context":16,"channels":8,"heads":2,\
            "layers":1,"inner":32,"layer_norm_epsilon":1.0E-5,"tied_head":true},"model_hash":"ab"},"data":{"path":"people.jsonl",\
            "sha256":"cd","records":9,"holdout":0,"truncated":0,"targets":40},"config":{"epochs":4,"max_steps":0,"batch_size":8,\
            "learning_rate":5.0E-5,"schedule":"LINEAR","warmup_steps":0,"weight_decay":0.01,"max_norm":1.0,"seed":0,"dtype":"F32",\
            "capture":"LAST","sites":"embedding","head_top_k":0,"rank":0,"ledger_dtype":"F32","checkpoint_every_steps":0,\
            "on_long":"TRUNCATE","holdout_fraction":0.0,"keep_text":false},"machine":{"device":"cpu","threads":2,"torch":"2.13.0"},\
            "result":{"steps":7,"final_loss":0.1,"model_hash":"ef","ledger":{"sites":["wte","lm_head"],"head_top_k":0,"dtype":"F32",\
            "entries":9,"bytes":4096}},"kin":[]}""";

    @TempDir
    Path folder;

    /** What a kill leaves: the folder as it is while the training goes on, some steps behind a checkpoint. */
    @ParameterizedTest
    @ValueSource(strings = {"llama", "qwen3", "pythia", "sequential"})
    void resumedRunsHaveTheSameBytes(String name) throws IOException {
        TinyData tiny = new TinyData(folder, 8);
        ModelShape shape = Families.of(name, Math.toIntExact(tiny.shape().vocabulary()), 16);
        ModelSource source = new ModelSource.Fresh(shape, tiny.tokenizer);
        TrainConfig config = TinyData.config().epochs(3).checkpointEverySteps(4).capture(CapturePolicy.ALL).rank(3)
                .headTopK(5).holdoutFraction(0.1).build();
        Path whole = folder.resolve("whole");
        Path killed = folder.resolve("killed");
        try (Engine engine = Engine.cpu()) {
            Trainer.train(engine, source, tiny.data, whole, config, new TrainListener() {
                @Override
                public void step(TrainStep done) {
                    if (done.step() == 9) {
                        copy(whole, killed);
                    }
                }
            });
            assertEquals(8, TrainCheckpoint.last(RunFolder.openAny(killed)));
            Trainer.resume(engine, killed, TrainListener.silent());
            RunBytes.assertSame(whole, killed);
            assertEquals(shape, RunFolder.open(killed).info().source().shape());
        }
    }

    /** The same weights whose heads turn otherwise are another model. */
    @Test
    void aModelThatTurnedIsNotResumed() throws IOException {
        TinyData tiny = new TinyData(folder, 4);
        ModelShape shape = Families.of("llama", Math.toIntExact(tiny.shape().vocabulary()), 16);
        Path base = folder.resolve("base");
        Path run = folder.resolve("run");
        Path killed = folder.resolve("killed");
        TrainConfig config = TinyData.config().epochs(1).build();
        try (Engine engine = Engine.cpu()) {
            try (LanguageModel model = engine.model(shape, Dtype.F32)) {
                model.initialize(1);
                Checkpoint.save(model, ModelSettings.of(shape, 1), base, tiny.tokenizer);
            }
            Trainer.train(engine, ModelSource.checkpoint(base), tiny.data, run, config, new TrainListener() {
                @Override
                public void step(TrainStep done) {
                    if (done.step() == 2) {
                        copy(run, killed);
                    }
                }
            });
            Path settings = base.resolve("config.json");
            String text = Files.readString(settings);
            Files.writeString(settings, text.replace("\"rope_theta\" : 10000.0", "\"rope_theta\" : 500.0"));
            String message = assertThrows(BadInputException.class,
                    () -> Trainer.resume(engine, killed, TrainListener.silent())).getMessage();
            assertTrue(message.startsWith(killed + ": was begun with a model of " + shape + ", now "), message);
        }
    }

    /** Its settings cannot be written: told before there is a model or a folder. */
    @Test
    void aShapeThatNoCheckpointHasIsNotTrained() {
        TinyData tiny = new TinyData(folder, 4);
        Block odd = new Block(Family.LLAMA, Activation.SILU, 0, 0, Rotary.plain(4, 10_000), Set.of(Option.NO_QKV_BIAS));
        ModelShape shape = Families.with(Families.of("llama", Math.toIntExact(tiny.shape().vocabulary()), 16), odd);
        try (Engine engine = Engine.cpu()) {
            long handles = Engine.liveHandles();
            ModelSource source = new ModelSource.Fresh(shape, tiny.tokenizer);
            assertThrows(IllegalArgumentException.class, () -> Trainer.train(engine, source, tiny.data, folder.resolve("run"),
                    TinyData.config().build(), TrainListener.silent()));
            assertEquals(handles, Engine.liveHandles());
            assertTrue(Files.notExists(folder.resolve("run")));
        }
    }

    private static void copy(Path from, Path to) {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(from.relativize(file).toString()));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void aRunOfGpt2AloneStaysAsItWas() {
        RunInfo old = RunJson.read(GPT2_ALONE, RunInfo.class, "old");
        assertEquals(new ModelShape(100, 16, 8, 2, 1, 32, 1e-5, true), old.source().shape());
        assertEquals(GPT2_ALONE, RunJson.line(old));
    }

    @Test
    void everyBlockComesBack() {
        RunInfo old = RunJson.read(GPT2_ALONE, RunInfo.class, "old");
        for (Block block : List.of(Families.of("llama", 9, 8).block(), Families.of("qwen3", 9, 8).block(),
                Families.of("pythia", 9, 8).block(), new Block(Family.GPT2, Activation.RELU, 0, 0, null, Set.of()),
                new Block(Family.LLAMA, Activation.SILU, 1, 6, new Rotary(6, 5e5, Scaling.LLAMA3, 32, 1, 4, 8192),
                        Set.of()))) {
            ModelShape shape = Families.with(old.source().shape(), block);
            RunInfo.Source source = new RunInfo.Source(null, shape, null, "ab");
            RunInfo info = new RunInfo(old.format(), old.lethe(), old.state(), source, old.data(), old.config(), old.machine(),
                    old.result(), null, List.of(), null, null);
            String line = RunJson.line(info);
            assertEquals(info, RunJson.read(line, RunInfo.class, "new"));
            assertEquals(info, RunJson.read(RunJson.pretty(info), RunInfo.class, "new"));
            assertTrue(line.contains("\"block\":{\"family\":\"" + block.family()), line);
        }
    }
}
