package dev.lethe.unlearn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.train.TinyData;
import dev.lethe.train.TrainListener;
import dev.lethe.train.Trainer;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** kill -9 in the middle of an erasure: the source is as it was, and the same erasure then gives the same bytes. */
@ExtendWith(NoLeaks.class)
class EraseKillTest {
    private static final int KILLS = 3;

    @TempDir
    Path folder;

    @Test
    void killedErasuresAreRolledBack() throws IOException {
        TinyData tiny = new TinyData(folder, 12);
        Path source = folder.resolve("source");
        try (Engine engine = Engine.cpu()) {
            Trainer.train(engine, tiny.source, tiny.data, source,
                    TinyData.config().epochs(40).holdoutFraction(0.2).build(), TrainListener.silent());
            erase(engine, source, folder.resolve("whole"), true, EraseListener.NONE);
            String hash = Checkpoint.hash(source.resolve("model"));
            Path out = folder.resolve("out");
            Random random = new Random();
            for (int i = 0; i < KILLS; i++) {
                kill(source, out, random.nextInt(25));
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

    private static void erase(Engine engine, Path source, Path out, boolean keepEntries, EraseListener listener) {
        try (Run run = Run.open(engine, source)) {
            EraseConfig config = EraserTest.CONFIG.toBuilder().keepEntries(keepEntries).build();
            run.erase(run.find(Query.subject(run.records().getFirst().subject())), config, out, listener);
        }
    }

    /** Erases in a process of its own until it says that it has made this move, then kills it. */
    private static void kill(Path source, Path out, int move) throws IOException {
        String classes = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
        ProcessBuilder builder = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "-cp", classes);
        if (System.getProperty("lethe.native") != null) {
            builder.command().add("-Dlethe.native=" + System.getProperty("lethe.native"));
        }
        builder.command().addAll(List.of(KilledErasure.class.getName(), source.toString(), out.toString()));
        Process process = builder.redirectErrorStream(true).start();
        StringBuilder said = new StringBuilder();
        try (BufferedReader lines = process.inputReader()) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                said.append(line).append('\n');
                if (line.equals("move " + move)) {
                    break;
                }
            }
            assertTrue(process.isAlive(), "ended before move " + move + ":\n" + said);
            process.destroyForcibly().onExit().join();
        }
    }

    /** The process to be killed: slow enough that the kill comes before the end. */
    static final class KilledErasure {
        public static void main(String[] arguments) {
            try (Engine engine = Engine.cpu()) {
                erase(engine, Path.of(arguments[0]), Path.of(arguments[1]), false, new EraseListener() {
                    @Override
                    public void step(EraseStep step, double target) {
                        System.out.println("move " + step.index());
                        try {
                            Thread.sleep(20);
                        } catch (InterruptedException e) {
                            throw new IllegalStateException(e);
                        }
                    }
                });
            }
        }
    }
}
