package dev.lethe.erase;

import static dev.lethe.erase.ReplayTest.PERSON3;
import static dev.lethe.erase.ReplayTest.PERSON7;
import static dev.lethe.erase.ReplayTest.ascent;
import static dev.lethe.erase.ReplayTest.replay;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.find.Query;
import dev.lethe.results.EraseListener;
import dev.lethe.results.Erasure;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.TrainConfig;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Replays that are killed or fail: the source stays whole, and whatever they left goes with the next erasure. */
@ExtendWith(NoLeaks.class)
class ReplayKillTest {
    @TempDir
    Path folder;
    private Engine engine;
    private TinyData tiny;

    @BeforeEach
    void open() {
        engine = Engine.cpu();
        tiny = new TinyData(folder, 12);
    }

    @AfterEach
    void close() {
        engine.close();
    }

    /** With these people's records late, when there are any. */
    private TrainConfig config(String late) throws IOException {
        TrainConfig.Builder config = TinyData.config().epochs(10).capture(CapturePolicy.ALL);
        return late.isEmpty() ? config.build() : config.late(Files.writeString(folder.resolve("late.txt"), late)).build();
    }

    private RunFolder train(String name, TrainConfig config, Set<String> masked) {
        return Trainer.train(engine, tiny.source, tiny.data, masked, folder.resolve(name), config, TrainListener.silent());
    }

    private Erasure erase(Path run, Set<String> ids, EraseConfig config, String out) {
        try (OpenRun open = OpenRun.open(engine, run)) {
            return open.erase(open.find(Query.ids(ids)), config, folder.resolve(out), EraseListener.NONE);
        }
    }

    @Test
    void killedItStartsAnewWithTheSameBits() throws IOException {
        TrainConfig config = config("person7\nperson3");
        RunFolder run = train("run", config, Set.of());
        kill(run);
        assertTrue(Files.isDirectory(folder.resolve("out.erasing/retrained")));
        assertFalse(Files.exists(folder.resolve("out")));
        assertTrue(Files.isDirectory(run.root().resolve("replay/checkpoint-" + run.info().plan().kept().getFirst())));
        erase(run.root(), PERSON7, replay().build(), "out");
        ReplayTest.assertSameTraining(train("oracle", config, PERSON7).root(), folder.resolve("out"));
    }

    /** The next erasure, of somebody else and to another place, reaches what the killed one left. */
    @Test
    void whatAKilledReplayLeftIsDestroyedWithTheRest() throws IOException {
        RunFolder run = train("run", config("person7"), Set.of());
        kill(run);
        Path seen = run.root().resolve("replay/checkpoint-" + run.info().plan().kept().getFirst() + "/moment2.bin");
        Path left = folder.resolve("out.erasing/retrained");
        assertEquals(2, Files.getAttribute(left.resolve(run.root().relativize(seen)), "unix:nlink"));
        assertTrue(Files.readString(left.resolve("records.jsonl")).contains("person3-home"));
        try (InputStream open = Files.newInputStream(seen)) {
            Erasure erasure = erase(run.root(), PERSON3, ascent(), "elsewhere");
            assertFalse(Files.exists(folder.resolve("out.erasing")));
            assertFalse(Files.exists(seen));
            byte[] bytes = open.readAllBytes();
            assertTrue(bytes.length > 0 && IntStream.range(0, bytes.length).allMatch(i -> bytes[i] == 0), "overwritten");
            assertTrue(erasure.left().stream().noneMatch(place -> place.path().contains("erasing")), erasure.left().toString());
        }
        assertEquals(List.of(folder.resolve("elsewhere").toRealPath().toString()),
                RunFolder.open(run.root()).info().kin().stream().map(RunInfo.Kin::run).toList());
    }

    @Test
    void aFailedReplayLeavesTheSourceAsItWas() throws IOException {
        RunFolder run = train("run", config(""), Set.of());
        String before = Files.readString(run.root().resolve(RunFolder.INFO));
        EraseListener failing = new EraseListener() {
            @Override
            public void stage(String name) {
                if (name.startsWith("retraining, epoch")) {
                    assertTrue(RunFolder.open(run.root()).info().kin().stream().anyMatch(kin -> kin.state() == RunInfo.Kin.State.INTENDED));
                    throw new IllegalStateException("enough");
                }
            }
        };
        try (OpenRun open = OpenRun.open(engine, run.root())) {
            assertThrows(IllegalStateException.class, () -> open.erase(open.find(Query.ids(PERSON7)), replay().build(), folder.resolve("out"),
                    failing));
        }
        assertEquals(before, Files.readString(run.root().resolve(RunFolder.INFO)));
        assertFalse(Files.exists(folder.resolve("out.erasing")));
    }

    /** Erases person 7 to {@code out} in a process that is killed in the middle of its replay. */
    private void kill(RunFolder run) throws IOException {
        String classes = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
        ProcessBuilder builder = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "-cp", classes);
        if (System.getProperty("lethe.native") != null) {
            builder.command().add("-Dlethe.native=" + System.getProperty("lethe.native"));
        }
        builder.command().addAll(List.of(Killed.class.getName(), run.toString(), folder.resolve("out").toString()));
        Process process = builder.redirectErrorStream(true).start();
        StringBuilder said = new StringBuilder();
        try (BufferedReader out = process.inputReader()) {
            for (String line = out.readLine(); line != null && !line.equals("replaying"); line = out.readLine()) {
                said.append(line).append('\n');
            }
            assertTrue(process.isAlive(), said.toString());
            process.destroyForcibly().onExit().join();
        }
    }

    /** The process to be killed in the middle of its replay. */
    static final class Killed {
        public static void main(String[] arguments) {
            EraseListener slow = new EraseListener() {
                @Override
                public void stage(String name) {
                    if (name.startsWith("retraining, epoch")) {
                        System.out.println("replaying");
                        try {
                            Thread.sleep(60_000);
                        } catch (InterruptedException e) {
                            throw new IllegalStateException(e);
                        }
                    }
                }
            };
            try (Engine engine = Engine.cpu(); OpenRun run = OpenRun.open(engine, Path.of(arguments[0]))) {
                run.erase(run.find(Query.ids(PERSON7)), replay().build(), Path.of(arguments[1]), slow);
            }
        }
    }
}
