package dev.lethe.proof;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** kill -9 at random points of a process that appends: what it was told is in the log is there, and the next one goes on. */
class AuditLogKillTest {
    private static final int KILLS = 12;

    @TempDir
    Path folder;

    /** Appends until it is killed, from where the log is; says each index once append has returned. */
    static final class Appender {
        public static void main(String[] arguments) {
            SigningKeys keys = SigningKeys.open(Path.of(arguments[0]), MadeUpRun.PASSWORD, Instant.now());
            try (LogWriter writer = LogWriter.open(Path.of(arguments[1]), keys, Duration.ZERO)) {
                while (true) {
                    System.out.println(writer.append(AuditLogTest.entry((int) writer.size())));
                }
            }
        }
    }

    @Test
    void everyEntryThatWasToldOutlivesTheKill() throws Exception {
        Path store = folder.resolve("keys.p12");
        SigningKeys keys = SigningKeys.make(store, MadeUpRun.PASSWORD);
        Path log = folder.resolve("audit");
        SplittableRandom random = new SplittableRandom();
        long most = 0;
        for (int kill = 0; kill < KILLS; kill++) {
            Process child = new ProcessBuilder(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("surefire.test.class.path",
                            System.getProperty("java.class.path")), Appender.class.getName(), store.toString(), log.toString()))
                    .redirectError(ProcessBuilder.Redirect.INHERIT).start();
            long told = -1;
            try (BufferedReader lines = child.inputReader()) {
                String first = lines.readLine();
                assertTrue(first != null, "the child appended nothing");
                told = Long.parseLong(first);
                TimeUnit.NANOSECONDS.sleep(random.nextInt(400_000_000));
                child.toHandle().destroyForcibly(); // the handle's leaves the pipe open
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    told = line.matches("\\d+") ? Long.parseLong(line) : told;
                }
            }
            assertEquals(137, child.waitFor(), "killed, not ended");
            AuditLog found = AuditLog.open(log, keys.log());
            assertTrue(found.size() > told, told + " was told, and there are " + found.size());
            found.check((index, bytes) -> assertArrayEquals(AuditLogTest.entry((int) index).bytes(), bytes));
            most = found.size();
        }
        assertTrue(most > KILLS && Files.exists(log.resolve("tile/0")), most + " entries");
    }
}
