package dev.lethe.ledger;

import static dev.lethe.ledger.LedgerFixture.append;
import static dev.lethe.ledger.LedgerFixture.assertEntry;
import static dev.lethe.ledger.LedgerFixture.assertHolds;
import static dev.lethe.ledger.LedgerFixture.fill;
import static dev.lethe.ledger.LedgerFixture.header;
import static dev.lethe.ledger.LedgerFixture.manifest;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.FileSpace;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Room on the disk: taken before it is written, missed with a clear error, and counted in longs. */
class LedgerSpaceTest {
    @TempDir
    Path folder;

    @Test
    void aFullDiskStopsTheWriterAndLeavesAReadableLedger() {
        long limit = 40_000;
        long segment = 16_384;
        GrowingSegment.Allocation full = (file, offset, bytes) -> {
            if (new LedgerFolder(folder).bytes() + bytes > limit) FileSpace.allocate(file, offset, 1L << 60);
            FileSpace.allocate(file, offset, bytes);
        };
        int[] committed = {0};
        try (LedgerWriter writer = LedgerWriter.create(folder, manifest(), segment, full)) {
            BadInputException refused = assertThrows(BadInputException.class, () -> {
                for (int i = 0; i < 1000; i++) {
                    append(writer, i, 900);
                    if (i % 4 == 3) {
                        writer.commit();
                        committed[0] = i + 1;
                    }
                }
            });
            assertTrue(refused.getMessage().matches("no room for \\d+ more bytes in .*segment-00000\\d.ledger: .*"
                    + "What was committed so far stays readable; free space, or capture less .*"),
                    refused.getMessage());
            assertTrue(committed[0] > 8);
        }
        assertHolds(folder, committed[0]);
        assertTrue(GradientLedger.check(folder).whole());
    }

    @Test
    void aFileSizeLimitOfTheProcessIsAFullDisk() throws Exception {
        fillsUp(List.of("sh", "-c", "ulimit -f 3000; exec \"$@\"", "sh"));
    }

    @Test
    void aFullFileSystemIsAnErrorAndNoCrash() throws Exception {
        List<String> mount = List.of("unshare", "-rm", "sh", "-c",
                "mount -t tmpfs -o size=3m tmpfs " + folder + " || exit 99; \"$@\"; cp -r " + folder + "/. " + copy(),
                "sh");
        Assumptions.assumeTrue(can(List.of("unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", folder.toString())),
                "needs the right to mount a small file system in a namespace of its own");
        Files.createDirectories(copy());
        run(mount, folder);
        LedgerCheck check = GradientLedger.check(copy());
        assertTrue(check.whole() && check.entries() > 100, check.toString());
    }

    private Path copy() {
        return folder.resolveSibling(folder.getFileName() + "-copy");
    }

    private void fillsUp(List<String> prefix) throws Exception {
        Assumptions.assumeTrue(can(List.of("sh", "-c", "ulimit -f 3000")), "needs a shell that can limit file sizes");
        run(prefix, folder);
        LedgerCheck check = GradientLedger.check(folder);
        assertTrue(check.whole() && check.entries() > 100, check.toString());
        assertHolds(folder, check.entries());
    }

    private static void run(List<String> prefix, Path folder) throws Exception {
        Process child = LedgerChild.start(prefix, folder, 9000, 1 << 30);
        String said = new String(child.getInputStream().readAllBytes());
        assertTrue(child.waitFor(30, TimeUnit.SECONDS));
        assertTrue(said.contains("no room for") && said.endsWith("closed\n"), said);
        assertEquals(0, child.exitValue());
    }

    private static boolean can(List<String> command) throws InterruptedException {
        try {
            return new ProcessBuilder(command).redirectErrorStream(true).start().waitFor() == 0;
        } catch (IOException e) {
            return false;
        }
    }

    private static final long LARGE = (1L << 31) + 12_345;
    private static final long HUGE = 3L << 30;
    private static final GrowingSegment.Allocation SPARSE = (file, offset, bytes) -> {
        try (RandomAccessFile access = new RandomAccessFile(file.toFile(), "rw")) {
            access.setLength(offset + bytes);
        }
    };

    /** A destroyed entry of 2 GiB moves the rest of the segment past 2 GiB and, sparse, takes no room. */
    @Test
    void offsetsGoPastTwoGibibytes() throws Exception {
        try (LedgerWriter writer = LedgerWriter.create(folder, manifest(), HUGE, SPARSE)) {
            append(writer, 0, 100);
            writer.reserveDestroyed(header(1), LARGE);
            append(writer, 2, 100);
            writer.commit();
        }
        List<Entry> scanned = LedgerContents.scan(new LedgerFolder(folder), manifest().identity()).entries();
        try (GradientLedger ledger = assertLarge()) {
            assertEquals(ledger.entries(), scanned);
        }
        try (LedgerWriter writer = LedgerWriter.append(folder, HUGE, SPARSE, LedgerWriter.ALL)) {
            assertEquals(3, writer.size());
            fill(writer, 3, 9, 100);
        }
        try (GradientLedger ledger = assertLarge()) {
            for (int i : new int[] {0, 2, 5, 8}) assertEntry(ledger, i);
        }
    }

    private GradientLedger assertLarge() {
        GradientLedger ledger = GradientLedger.open(folder);
        assertEquals(LARGE, ledger.entries().get(1).length());
        assertTrue(ledger.entries().get(2).offset() > Integer.MAX_VALUE);
        assertEntry(ledger, 2);
        ledger.close();
        return GradientLedger.open(folder);
    }

    @Test
    @Tag("extended")
    void onePayloadMayBeLargerThanTwoGibibytes() {
        try (LedgerWriter writer = LedgerWriter.create(folder, manifest(), LedgerWriter.SEGMENT_BYTES, SPARSE)) {
            MemorySegment room = writer.reserve(header(0), LARGE);
            room.set(ValueLayout.JAVA_BYTE, LARGE - 1, (byte) 42);
            writer.commit();
        }
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            assertEquals(42, ledger.payload(ledger.entries().getFirst()).get(ValueLayout.JAVA_BYTE, LARGE - 1));
        }
    }

    @Test
    void theEstimateCountsFramesOfEveryEpoch() {
        long bytes = LedgerEstimate.total((tokens, targets) -> 64L * tokens + targets, new int[] {10, 20},
                new int[] {5, 64}, 3);
        assertEquals(64 + 3 * ((192 + 704) + (192 + 1344)), bytes);
    }
}
