package dev.lethe.ledger;

import static dev.lethe.ledger.LedgerFixture.key;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.PrivateFiles;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** kill -9 at random points of destroying keys, of rotating them, and of moving a ledger under them. */
class LedgerKeysKillTest {
    private static final int COUNT = 200;

    @TempDir
    Path folder;

    @Test
    void aKillLosesNoOtherRecordsKeyAndTheRepetitionFinishes() throws Exception {
        SplittableRandom random = new SplittableRandom(11);
        int between = 0;
        Path ledger = folder.resolve("ledger");
        Path keys = folder.resolve("keys");
        LedgerFixture.createUnder(keys, ledger, COUNT, 300, 1 << 14);
        Path backup = folder.resolve("backup");
        LedgerFixture.copy(ledger, backup);
        int first = 0; // records before it are destroyed
        for (int round = 0; round < 8; round++) {
            Process child = start(Destroyer.class, ledger.toString(), keys.toString(), Integer.toString(first));
            int told = first;
            try (BufferedReader lines = child.inputReader()) {
                told = Integer.parseInt(lines.readLine());
                if (round % 2 == 0) TimeUnit.MICROSECONDS.sleep(random.nextInt(40_000));
                else while (left(keys) == 1) Thread.onSpinWait(); // in the middle for sure, but for the time that a kill takes
                child.toHandle().destroyForcibly();
                for (String line = lines.readLine(); line != null; line = lines.readLine()) told = Integer.parseInt(line);
            }
            assertEquals(137, child.waitFor(), "killed, not ended");
            between += left(keys) > 1 ? 1 : 0;
            assertReadable(backup, told + 1); // the next one may be gone already: no other
            Destruction.destroy(ledger, Set.of(key(told)));
            first = told + 1;
            assertEquals(1, left(keys), "one key-encryption key, nothing half written");
            assertReadable(backup, first);
            for (int i = 0; i < first; i++) assertFalse(readable(backup, i), "record " + i);
            Set<Integer> gone = new HashSet<>();
            for (int i = 0; i < first; i++) gone.add(i);
            LedgerFixture.assertHoldsBut(ledger, COUNT, gone);
            if (first > COUNT - 40) break;
        }
        System.getLogger("dev.lethe.ledger").log(System.Logger.Level.INFO,
                "{0} kills with more than one key-encryption key or a part left, {1} keys destroyed", between, first);
        assertTrue(between > 0, "some were killed at work");
    }

    private static void assertReadable(Path ledger, int from) {
        for (int i = from; i < COUNT; i += 7) assertTrue(readable(ledger, i), "record " + i);
    }

    private static boolean readable(Path ledger, int i) {
        try (GradientLedger open = GradientLedger.open(ledger)) {
            LedgerFixture.assertEntry(open, i);
            return true;
        } catch (BadInputException | DamagedDataException e) {
            return false;
        }
    }

    /** Key-encryption keys, and what is no whole file. */
    private static long left(Path keys) throws IOException {
        try (Stream<Path> files = Files.list(keys)) {
            return files.filter(file -> file.toString().endsWith(".kek") || PrivateFiles.isLeftover(file)).count();
        }
    }

    @Test
    void movingUnderKeysIsGoneOnWithAfterAKill() throws Exception {
        SplittableRandom random = new SplittableRandom(5);
        Path original = folder.resolve("original");
        LedgerFixture.create(original, COUNT, 20_000, 1 << 18);
        Destruction.destroy(original, Set.of(key(5)));
        int mixed = 0;
        for (int round = 0; round < 4; round++) {
            Path ledger = folder.resolve("copy-" + round);
            Path keys = folder.resolve("keys-" + round);
            LedgerFixture.copy(original, ledger);
            Process child = start(Mover.class, ledger.toString(), keys.toString());
            try (BufferedReader lines = child.inputReader()) {
                assertEquals("begin", lines.readLine());
                Path segment = ledger.resolve(LedgerFolder.segmentName(round));
                Object old = Files.getAttribute(segment, "unix:ino");
                while (child.isAlive() && Files.getAttribute(segment, "unix:ino").equals(old)) TimeUnit.MILLISECONDS.sleep(1);
                TimeUnit.MICROSECONDS.sleep(random.nextInt(20_000));
                child.toHandle().destroyForcibly();
            }
            child.waitFor();
            LedgerFixture.assertHoldsBut(ledger, COUNT, Set.of(5)); // part of it in the clear, part under keys
            try (GradientLedger open = GradientLedger.open(ledger)) {
                long clear = open.entries().stream().filter(entry -> !entry.destroyed() && !entry.encrypted()).count();
                mixed += clear > 0 && clear < COUNT - 1 ? 1 : 0;
            }
            Compaction.encrypt(ledger, keys);
            LedgerFixture.assertHoldsBut(ledger, COUNT, Set.of(5));
            try (GradientLedger open = GradientLedger.open(ledger)) {
                assertTrue(open.entries().stream().allMatch(entry -> entry.destroyed() || entry.encrypted()));
                assertTrue(open.manifest().keys().all());
            }
            assertTrue(GradientLedger.check(ledger).whole());
            try (Stream<Path> files = Files.list(ledger)) {
                assertTrue(files.noneMatch(PrivateFiles::isLeftover), "no gradients beside the ledger");
            }
            assertEquals(0, Compaction.encrypt(ledger, keys).rewritten(), "nothing is left to move");
        }
        assertTrue(mixed > 0, "some were killed at work");
    }

    private static Process start(Class<?> what, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(System.getProperty("java.home") + File.separator + "bin" + File.separator
                + "java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED", "-cp",
                System.getProperty("java.class.path"), what.getName()));
        command.addAll(List.of(arguments));
        return new ProcessBuilder(command).redirectErrorStream(true).start();
    }

    /** A process that destroys one record after the other, rotating between; tells how many are done. */
    static final class Destroyer {
        private Destroyer() {}

        public static void main(String[] arguments) {
            for (int i = Integer.parseInt(arguments[2]); i < COUNT; i++) {
                Destruction.destroy(Path.of(arguments[0]), Set.of(key(i)));
                System.out.println(i + 1);
                if (i % 3 == 0) LedgerKeys.rotate(Path.of(arguments[1]));
            }
        }
    }

    /** A process that moves a ledger under keys. */
    static final class Mover {
        private Mover() {}

        public static void main(String[] arguments) {
            System.out.println("begin");
            Compaction.encrypt(Path.of(arguments[0]), Path.of(arguments[1]));
        }
    }
}
