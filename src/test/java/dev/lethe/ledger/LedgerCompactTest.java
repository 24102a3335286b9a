package dev.lethe.ledger;

import static dev.lethe.ledger.LedgerFixture.key;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.PrivateFiles;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Compaction gives room back and nothing else: all other entries byte for byte, whatever interrupts it. */
class LedgerCompactTest {
    private static final int ENTRIES = 300;

    @TempDir
    Path folder;

    private static Set<Entry.RecordKey> everyThird() {
        Set<Entry.RecordKey> keys = new HashSet<>();
        for (int i = 0; i < ENTRIES; i += 3) keys.add(key(i));
        return keys;
    }

    private static void create(Path where, int middle) {
        LedgerFixture.create(where, ENTRIES, middle, 1 << 18);
        Destruction.destroy(where, everyThird());
    }

    private static void assertHolds(Path where) {
        try (GradientLedger ledger = GradientLedger.open(where)) {
            assertEquals(ENTRIES, ledger.entries().size());
            for (int i = 0; i < ENTRIES; i++) {
                Entry.EntryHeader header = LedgerFixture.header(i);
                assertEquals(i % 3 == 0 ? header.withoutKey() : header, ledger.entries().get(i).header());
                assertEquals(i % 3 == 0, ledger.entries().get(i).destroyed());
                if (i % 3 != 0) LedgerFixture.assertEntry(ledger, i);
            }
        }
        assertTrue(GradientLedger.check(where).whole());
    }

    @Test
    void theRestKeepsItsBytesAndTheRoomComesBack() throws IOException {
        create(folder, 4000);
        try (GradientLedger before = GradientLedger.open(folder)) {
            Entry entry = before.entries().get(1);
            before.payload(entry);
            Compaction done = Compaction.compact(folder);
            assertEquals(ENTRIES, done.entries());
            assertEquals(100, done.destroyed());
            assertEquals(new LedgerFolder(folder).bytes(), done.bytesAfter());
            assertTrue(done.bytesAfter() < done.bytesBefore() * 0.75, done.toString());
            assertEquals(folder.resolve("segment-000000.ledger") + " at byte " + entry.offset() + ": the ledger was compacted"
                    + " or cut back since it was opened; open it again",
                    assertThrows(BadInputException.class, () -> before.payload(entry)).getMessage());
            assertThrows(BadInputException.class, () -> before.requireThere(List.of(entry)), "nor what was read before");
        }
        assertHolds(folder);
        Files.delete(folder.resolve("index"));
        assertHolds(folder);
        assertEquals(0, Compaction.compact(folder).rewritten(), "nothing is left to give back");
        Destruction.destroy(folder, Set.of(key(1)));
        assertEquals(1, Compaction.compact(folder).rewritten());
        try (LedgerWriter writer = LedgerWriter.append(folder)) {
            LedgerFixture.append(writer, ENTRIES, 100);
            writer.commit();
        }
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            LedgerFixture.assertEntry(ledger, ENTRIES);
            LedgerFixture.assertEntry(ledger, 2);
        }
    }

    /** The blocks that a file gives up, here kept by a mapping, hold nothing any more. */
    @Test
    void whatIsGivenUpIsZeroed() throws IOException {
        create(folder, 400);
        Path segment = folder.resolve("segment-000000.ledger");
        try (Arena arena = Arena.ofConfined(); FileChannel channel = FileChannel.open(segment)) {
            MemorySegment given = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            Compaction.compact(folder);
            assertTrue(SegmentLayout.isZero(given), "compacted");
        }
        try (Arena arena = Arena.ofConfined(); FileChannel channel = FileChannel.open(segment);
                LedgerWriter writer = LedgerWriter.append(folder)) {
            MemorySegment given = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            writer.truncateAfter(2);
            assertTrue(SegmentLayout.isZero(given), "cut back");
        }
        assertFalse(Files.exists(folder.resolve("segment-000000.ledger.part-0")));
    }

    /** A kill while the old file was being overwritten leaves a second name of it; what writes next finishes it. */
    @Test
    void whatAKillLeftOfAnOldFileIsOverwritten() throws IOException {
        create(folder, 400);
        Path old = folder.resolve("segment-000000.ledger.part-0");
        Files.copy(folder.resolve("segment-000000.ledger"), old);
        Path other = folder.resolve("other");
        Files.createLink(other, old);
        Destruction.destroy(folder, Set.of(key(1)));
        assertFalse(Files.exists(old));
        assertFalse(isZero(other), "a file with another name is left to that one");
        Files.createLink(old, other);
        try (Arena arena = Arena.ofConfined(); FileChannel channel = FileChannel.open(other)) {
            MemorySegment given = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            Files.delete(other);
            Compaction.compact(folder);
            assertFalse(Files.exists(old));
            assertTrue(SegmentLayout.isZero(given));
        }
    }

    private static boolean isZero(Path file) throws IOException {
        return SegmentLayout.isZero(MemorySegment.ofArray(Files.readAllBytes(file)));
    }

    @Test
    void whatIsSharedWrittenOrDamagedIsRefused() throws IOException {
        Path source = folder.resolve("source");
        create(source, 400);
        Path segment = source.resolve(LedgerFolder.segmentName(0));
        GradientLedger.link(source, folder.resolve("linked"));
        if (Files.getAttribute(segment, "unix:nlink").equals(2))
            assertEquals(segment + " is shared with the ledger of another run (2 links): compacting would take more room, and"
                    + " a later erasure would no longer reach both. Delete the run you no longer need first",
                    assertThrows(BadInputException.class, () -> Compaction.compact(source)).getMessage());
        Path written = folder.resolve("written");
        try (LedgerWriter writer = LedgerWriter.create(written, LedgerFixture.manifest())) {
            assertThrows(BadInputException.class, () -> Compaction.compact(written));
        }
        Path damaged = folder.resolve("damaged");
        create(damaged, 400);
        Path broken = damaged.resolve(LedgerFolder.segmentName(0));
        byte[] bytes = Files.readAllBytes(broken);
        long at;
        try (GradientLedger ledger = GradientLedger.open(damaged)) {
            at = ledger.entries().get(1).offset() + SegmentLayout.ENTRY_HEADER_BYTES;
        }
        bytes[(int) at] ^= 1;
        Files.write(broken, bytes);
        assertThrows(DamagedDataException.class, () -> Compaction.compact(damaged));
        assertArrayEquals(bytes, Files.readAllBytes(broken), "left as it was");
        try (Stream<Path> files = Files.list(damaged)) {
            assertTrue(files.noneMatch(PrivateFiles::isLeftover), "no gradients beside the ledger");
        }
    }

    /** kill -9 at random points of a compaction. */
    @Test
    void aKillLeavesAWholeLedger() throws Exception {
        Path original = folder.resolve("original");
        create(original, 20_000);
        SplittableRandom random = new SplittableRandom(7);
        int killed = 0;
        for (int round = 0; round < 8; round++) {
            Path copy = folder.resolve("copy-" + round);
            copy(original, copy);
            Process child = new ProcessBuilder(List.of(
                    System.getProperty("java.home") + File.separator + "bin" + File.separator + "java",
                    "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED", "-cp",
                    System.getProperty("java.class.path"), Compactor.class.getName(), copy.toString()))
                    .redirectErrorStream(true).start();
            try (BufferedReader lines = child.inputReader()) {
                assertEquals("begin", lines.readLine());
                TimeUnit.MICROSECONDS.sleep(random.nextInt(60_000));
                child.toHandle().destroyForcibly();
            }
            killed += child.waitFor() == 137 ? 1 : 0;
            assertHolds(copy);
            Compaction.compact(copy);
            assertHolds(copy);
            try (Stream<Path> files = Files.list(copy)) {
                assertTrue(files.noneMatch(PrivateFiles::isLeftover), "no gradients beside the ledger");
            }
        }
        assertTrue(killed > 0, "some were killed at work");
    }

    /** A process that compacts. */
    static final class Compactor {
        private Compactor() {}

        public static void main(String[] arguments) {
            System.out.println("begin");
            Compaction.compact(Path.of(arguments[0]));
        }
    }

    private static void copy(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.toList()) Files.copy(file, to.resolve(file.getFileName()));
        }
    }
}
