package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.results.TrainListener;
import dev.lethe.results.TrainStep;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.settings.TrainConfig;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A training that was stopped or killed and resumed is, byte for byte, the one that was not. */
@ExtendWith(NoLeaks.class)
class ResumeTest {
    private static final TrainConfig CONFIG = TinyData.config().epochs(10).checkpointEverySteps(7)
            .capture(TrainConfig.CapturePolicy.ALL).holdoutFraction(0.1).keepAt(List.of(0.5, 1.0)).build();

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

    private RunFolder whole() {
        return Trainer.train(engine, tiny.source, tiny.data, folder.resolve("whole"), CONFIG, TrainListener.silent());
    }

    @Test
    void killedAndResumed() throws Exception {
        RunFolder whole = whole();
        long steps = whole.info().result().steps();
        Path killed = folder.resolve("killed");
        Random random = new Random();
        long first = random.nextLong(steps - 20);
        long second = first + 1 + random.nextLong(steps - first - 10);
        kill(killed, "train", first);
        kill(killed, "resume", second);
        Trainer.resume(engine, killed, TrainListener.silent());
        RunBytes.assertSame(whole.root(), killed);
    }

    /** Trains in a process of its own until it says that it has done this step, then kills it. */
    private void kill(Path run, String how, long step) throws IOException {
        String classes = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
        ProcessBuilder builder = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "-cp", classes);
        if (System.getProperty("lethe.native") != null) {
            builder.command().add("-Dlethe.native=" + System.getProperty("lethe.native"));
        }
        builder.command().addAll(List.of(KilledTraining.class.getName(), how, folder.toString(), run.toString()));
        Process process = builder.redirectErrorStream(true).start();
        StringBuilder said = new StringBuilder();
        try (BufferedReader out = process.inputReader()) {
            for (String line = out.readLine(); line != null; line = out.readLine()) {
                said.append(line).append('\n');
                if (line.startsWith("step ") && Long.parseLong(line.substring(5)) >= step) {
                    break;
                }
            }
            assertTrue(process.isAlive(), "ended before step " + step + ":\n" + said);
            process.destroyForcibly().onExit().join();
        }
        assertFalse(RunFolder.openAny(run).info().state() == RunInfo.State.COMPLETE);
    }

    /** The process to be killed: slow enough that the kill comes before the end. */
    static final class KilledTraining {
        public static void main(String[] arguments) {
            TinyData tiny = new TinyData(Path.of(arguments[1]), 12);
            Path run = Path.of(arguments[2]);
            TrainListener slow = new TrainListener() {
                @Override
                public void step(TrainStep step) {
                    System.out.println("step " + step.step());
                    try {
                        Thread.sleep(10);
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                }
            };
            try (Engine engine = Engine.cpu()) {
                if (arguments[0].equals("train")) {
                    Trainer.train(engine, tiny.source, tiny.data, run, CONFIG, slow);
                } else {
                    Trainer.resume(engine, run, slow);
                }
            }
        }
    }

    @Test
    void interruptedAndResumed() throws IOException {
        RunFolder whole = whole();
        Path run = folder.resolve("interrupted");
        InterruptedWorkException end = interruptAt(run, 17);
        long steps = whole.info().result().steps();
        long step = TrainCheckpoint.last(RunFolder.openAny(run));
        assertTrue(step >= 17 && step < steps, end.getMessage()); // how many fit in before is the machine's to say
        assertEquals("training interrupted after step " + step + " of " + steps + "; " + run + " can be resumed",
                end.getMessage());
        Trainer.resume(engine, run, CONFIG, tiny.data, TrainListener.silent());
        RunBytes.assertSame(whole.root(), run);
    }

    private InterruptedWorkException interruptAt(Path run, long step) {
        Thread caller = Thread.currentThread();
        InterruptedWorkException end = assertThrows(InterruptedWorkException.class, () -> Trainer.train(engine,
                tiny.source, tiny.data, run, CONFIG, new TrainListener() {
                    @Override
                    public void step(TrainStep done) {
                        if (done.step() == step) {
                            caller.interrupt();
                            while (caller.isInterrupted()) { // until it has woken: on a busy machine steps are faster
                                Thread.onSpinWait();
                            }
                        }
                    }
                }));
        assertTrue(Thread.interrupted(), "the caller stays interrupted");
        return end;
    }

    /** What a power cut leaves: pages written after the last checkpoint may have reached the disk in any order. */
    @Test
    void aHoleBehindTheCheckpointIsCutOff() throws IOException {
        RunFolder whole = whole();
        Path lost = copied(false);
        assertEquals(14, TrainCheckpoint.last(RunFolder.openAny(lost)));
        zeroHeader(lost, entry -> entry.header().step() == 15);
        Path metrics = lost.resolve("metrics.jsonl");
        byte[] lines = Files.readAllBytes(metrics);
        Arrays.fill(lines, lines.length - 200, lines.length - 100, (byte) 0);
        Files.write(metrics, lines);
        Trainer.resume(engine, lost, TrainListener.silent());
        RunBytes.assertSame(whole.root(), lost);
    }

    @Test
    void anEntryLostBeforeTheCheckpointIsDamage() throws IOException {
        Path lost = copied(true);
        List<Entry> entries;
        try (GradientLedger ledger = GradientLedger.open(lost.resolve("ledger"))) {
            entries = ledger.entries();
        }
        zeroHeader(lost, entries.getLast()::equals); // which looks like a torn tail
        DamagedDataException damage = assertThrows(DamagedDataException.class,
                () -> Trainer.resume(engine, lost, TrainListener.silent()));
        assertEquals("ledger " + lost.resolve("ledger") + " holds " + (entries.size() - 1) + " whole entries, the"
                + " checkpoint was made with " + entries.size() + ": some that were on the disk are gone; restore the ledger or"
                + " train again", damage.getMessage());
    }

    /** A copy of a training's folder while it goes on: at its checkpoint of step 14, or three steps later. */
    private Path copied(boolean atCheckpoint) {
        Path run = folder.resolve("run");
        Path copy = folder.resolve("copy");
        Trainer.train(engine, tiny.source, tiny.data, run, CONFIG, new TrainListener() {
            @Override
            public void step(TrainStep done) {
                if (!atCheckpoint && done.step() == 17) {
                    copy(run, copy);
                }
            }

            @Override
            public void checkpoint(long step) {
                if (atCheckpoint && step == 14) {
                    copy(run, copy);
                }
            }
        });
        return copy;
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

    private static void zeroHeader(Path run, Predicate<Entry> which) throws IOException {
        long offset;
        try (GradientLedger ledger = GradientLedger.open(run.resolve("ledger"))) {
            offset = ledger.entries().stream().filter(which).findFirst().orElseThrow().offset();
        }
        try (FileChannel segment = FileChannel.open(run.resolve("ledger/segment-000000.ledger"), StandardOpenOption.WRITE)) {
            segment.write(ByteBuffer.allocate(128), offset);
        }
    }

    @Test
    void refusesOtherOptionsDataAndVersions() throws IOException {
        Path run = folder.resolve("run");
        interruptAt(run, 3);
        assertEquals(run + ": was begun with other options, batchSize is 4, asked for 2; resume with the same, or train into "
                + "a new folder", refused(run, CONFIG.toBuilder().batchSize(2).build()));
        Path json = run.resolve("lethe.json");
        String kept = Files.readString(json);
        Files.writeString(json, kept.replace("\"format\" : 1", "\"format\" : 2"));
        assertEquals(run + ": made by Lethe " + RunInfo.VERSION + " (run format 2); this is Lethe " + RunInfo.VERSION
                + ", which reads run format 1", refused(run, CONFIG));
        String hash = RunFolder.openAny(writeBack(json, kept)).info().data().sha256();
        Files.writeString(json, kept.replace(hash, "0".repeat(64)));
        assertEquals(run + ": was begun with other data, SHA-256 " + "0".repeat(64) + ", now " + hash + "; bring back what it "
                + "was begun with, or train into a new folder", refused(run, CONFIG));
        writeBack(json, kept);
        String data = Files.readString(tiny.file);
        Files.writeString(tiny.file, data.replace("person0 makes", "person0 sells"));
        assertTrue(refused(run, CONFIG).contains("record person0-work has changed: SHA-256 of its text is "));
        Files.writeString(tiny.file, data);
        Trainer.resume(engine, run, TrainListener.silent());
    }

    private static Path writeBack(Path json, String text) throws IOException {
        Files.writeString(json, text);
        return json.getParent();
    }

    private String refused(Path run, TrainConfig config) {
        return assertThrows(BadInputException.class,
                () -> Trainer.resume(engine, run, config, null, TrainListener.silent())).getMessage();
    }
}
