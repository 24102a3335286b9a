package dev.lethe.erase;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.find.Query;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.results.EraseListener;
import dev.lethe.results.EraseStep;
import dev.lethe.results.TrainListener;
import dev.lethe.run.PendingErasure.PendingErasureException;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.EraseConfig;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/**
 * kill -9 and interrupts in the middle of an erasure. Before the new run has its name the source is as it was, and the same
 * erasure then gives the same bytes; after it, the run is not opened for work until finish has destroyed what is owed.
 */
@ExtendWith(NoLeaks.class)
class EraseKillTest {
    @TempDir
    Path folder;
    private Path source;
    private Path out;

    @BeforeEach
    void train() {
        source = folder.resolve("source");
        out = folder.resolve("out");
        TinyData tiny = new TinyData(folder, 12);
        try (Engine engine = Engine.cpu()) {
            Trainer.train(engine, tiny.source, tiny.data, source,
                    TinyData.config().epochs(40).holdoutFraction(0.2).build(), TrainListener.silent());
        }
    }

    @Test
    void killedErasuresAreRolledBack() throws IOException {
        try (Engine engine = Engine.cpu()) {
            erase(engine, source, folder.resolve("whole"), true, EraseListener.NONE);
            String hash = Checkpoint.hash(source.resolve("model"));
            Random random = new Random();
            for (int i = 0; i < 3; i++) {
                kill(source, "move " + random.nextInt(25), false, 0);
                assertFalse(Files.exists(out));
                assertEquals(hash, Checkpoint.hash(source.resolve("model")));
                try (GradientLedger ledger = GradientLedger.open(source.resolve("ledger"))) {
                    assertTrue(ledger.entries().stream().noneMatch(Entry::destroyed));
                }
            }
            erase(engine, source, out, true, EraseListener.NONE);
            assertEquals(-1, Files.mismatch(folder.resolve("whole/model/model.safetensors"),
                    out.resolve("model/model.safetensors")));
            assertFalse(Files.exists(folder.resolve("out.erasing")));
        }
    }

    @Test
    void someKillsLeaveEveryStateNamedAndFinishable() throws IOException {
        killed(6);
    }

    @Test
    @Tag("extended")
    void manyKillsLeaveEveryStateNamedAndFinishable() throws IOException {
        killed(60);
    }

    /** Kills while writing, and from the moment that the run has its name, when entries are destroyed. */
    private void killed(int times) throws IOException {
        Random random = new Random();
        TreeMap<String, Integer> states = new TreeMap<>();
        for (int i = 0; i < times; i++) {
            Path person = folder.resolve("life-" + i);
            copy(source, person);
            out = folder.resolve("out-" + i);
            Set<RecordKey> keys = firstPerson(person);
            kill(person, "writing", i % 3 > 0, random.nextInt(i % 3 == 0 ? 60_000 : 15_000));
            states.merge(state(person, keys), 1, Integer::sum);
        }
        System.getLogger("dev.lethe.erase").log(System.Logger.Level.INFO, "after {0} kills: {1}", times, states);
        assertEquals(times, states.values().stream().mapToInt(Integer::intValue).sum());
    }

    /** What a kill left, held against the rule; ends with nothing of the person anywhere. */
    private String state(Path from, Set<RecordKey> keys) {
        String state;
        if (!RunFolder.isRun(out)) {
            assertEquals(3, live(from, keys), "before the rename the source is as it was");
            RunFolder.open(from);
            Path left = out.resolveSibling(out.getFileName() + ".erasing/ledger");
            out = out.resolveSibling(out.getFileName() + "-other");
            try (Engine engine = Engine.cpu()) {
                erase(engine, from, out, false, EraseListener.NONE);
            }
            assertFalse(Files.exists(left), "entries that the killed erasure left beside another name");
            state = "rolled back";
        } else if (opens(out)) {
            state = "done";
        } else {
            assertTrue(live(from, keys) == 0 || !opens(from), "a source with live entries counts as whole");
            assertEquals(1, OpenRun.finish(keys.hashCode() % 2 == 0 ? out : from, List.of(), List.of()).size());
            state = "finished";
        }
        for (Path run : List.of(from, out)) {
            assertEquals(0, live(run, keys), state + ", " + run);
            RunFolder.open(run);
        }
        return state;
    }

    private static boolean opens(Path run) {
        try {
            RunFolder.open(run);
            return true;
        } catch (PendingErasureException e) {
            assertThrows(PendingErasureException.class, () -> RunFolder.open(run));
            return false;
        }
    }

    private static Set<RecordKey> firstPerson(Path run) {
        String person = RunFolder.open(run).records().getFirst().id().split("-")[0];
        return Set.of("home", "work", "friend").stream().map(what -> RecordKey.of(person + "-" + what))
                .collect(Collectors.toSet());
    }

    private static int live(Path run, Set<RecordKey> keys) {
        try (GradientLedger ledger = GradientLedger.open(run.resolve("ledger"))) {
            return (int) ledger.entries(39).stream().filter(entry -> !entry.destroyed())
                    .filter(entry -> keys.contains(entry.header().key())).count();
        }
    }

    private static void copy(Path from, Path to) throws IOException {
        try (var files = Files.walk(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(from.relativize(file).toString()));
            }
        }
    }

    private static void erase(Engine engine, Path source, Path out, boolean keepEntries, EraseListener listener) {
        try (OpenRun run = OpenRun.open(engine, source)) {
            EraseConfig config = EraserTest.CONFIG.toBuilder().keepEntries(keepEntries).build();
            run.erase(run.find(Query.subject(run.records().getFirst().subject())), config, out, listener);
        }
    }

    /** Erases in a process of its own until it has said this, and perhaps has given the run its name; kills it after that. */
    private void kill(Path from, String line, boolean named, int micros) throws IOException {
        String classes = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
        ProcessBuilder builder = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "-cp", classes);
        if (System.getProperty("lethe.native") != null) {
            builder.command().add("-Dlethe.native=" + System.getProperty("lethe.native"));
        }
        builder.command().addAll(List.of(KilledErasure.class.getName(), from.toString(), out.toString(), line));
        Process process = builder.redirectErrorStream(true).start();
        StringBuilder said = new StringBuilder();
        try (BufferedReader lines = process.inputReader()) {
            boolean heard = false;
            for (String text = lines.readLine(); text != null && !heard; text = heard ? text : lines.readLine()) {
                said.append(text).append('\n');
                heard = text.equals(line);
            }
            assertTrue(heard, "ended before '" + line + "':\n" + said);
            while (named && !Files.exists(out)) {
                Thread.onSpinWait();
            }
            TimeUnit.MICROSECONDS.sleep(micros);
            process.destroyForcibly().onExit().join();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The process to be killed: slow in its moves when one of them is waited for, so that the kill comes before the end. */
    static final class KilledErasure {
        public static void main(String[] arguments) {
            try (Engine engine = Engine.cpu()) {
                erase(engine, Path.of(arguments[0]), Path.of(arguments[1]), false, new EraseListener() {
                    @Override
                    public void stage(String name) {
                        System.out.println(name.startsWith("writing") ? "writing" : name);
                    }

                    @Override
                    public void step(EraseStep step, double target) {
                        System.out.println("move " + step.index());
                        try {
                            Thread.sleep(arguments[2].startsWith("move") ? 20 : 0);
                        } catch (InterruptedException e) {
                            throw new IllegalStateException(e);
                        }
                    }
                });
            }
        }
    }
}
