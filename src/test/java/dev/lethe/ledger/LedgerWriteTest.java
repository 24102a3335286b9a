package dev.lethe.ledger;

import static dev.lethe.ledger.LedgerFixture.append;
import static dev.lethe.ledger.LedgerFixture.assertHolds;
import static dev.lethe.ledger.LedgerFixture.length;
import static dev.lethe.ledger.LedgerFixture.manifest;
import static dev.lethe.ledger.LedgerFixture.write;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.FileSpace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Entries that are written instead of filled in place, and segments that are closed meanwhile. */
class LedgerWriteTest {
    private static final LedgerOptions SMALL = new LedgerOptions(16_384, false);

    @TempDir
    Path folder;

    @Test
    void writtenAndFilledEntriesAreTheSameBytes() throws IOException {
        Path written = folder.resolve("written"), filled = folder.resolve("filled");
        try (LedgerWriter one = LedgerWriter.create(written, manifest(), SMALL);
                LedgerWriter other = LedgerWriter.create(filled, manifest(), SMALL)) {
            for (int i = 0; i < 90; i += 3) {
                if (i % 2 == 0) write(one, i, i + 3, 900);
                else for (int j = i; j < i + 3; j++) append(one, j, length(j, 900)); // both ways in one segment
                for (int j = i; j < i + 3; j++) append(other, j, length(j, 900));
                one.commit();
                other.commit();
            }
            one.sync();
        }
        List<Integer> segments = new LedgerFolder(written).segments();
        assertTrue(segments.size() > 3, "rolls");
        for (int number : segments)
            assertArrayEquals(Files.readAllBytes(new LedgerFolder(filled).segment(number)),
                    Files.readAllBytes(new LedgerFolder(written).segment(number)), "segment " + number);
        assertHolds(written, 90);
    }

    @Test
    void whatIsWrittenCountsFromItsCommitOn() {
        try (LedgerWriter writer = LedgerWriter.create(folder, manifest(), SMALL)) {
            write(writer, 0, 5, 300);
            writer.commit();
            write(writer, 5, 60, 300); // over several segments
            try (GradientLedger reader = GradientLedger.open(folder)) {
                assertEquals(5, reader.entries().size());
            }
            writer.discard();
            assertTrue(GradientLedger.check(folder).tail().isEmpty(), "a discarded entry leaves zeros");
            write(writer, 5, 9, 2000);
            writer.commit();
            writer.truncateAfter(0); // header i has step i / 8
            assertEquals(8, writer.size());
            write(writer, 8, 9, 2000);
        }
        assertEquals(8, GradientLedger.check(folder).entries());
    }

    @Test
    void aFullDiskDiscardsWhatAwaitedTheCommit() {
        GrowingSegment.Allocation full = (file, offset, bytes) ->
                FileSpace.allocate(file, offset, file.endsWith("segment-000001.ledger") ? 1L << 60 : bytes);
        try (LedgerWriter writer = LedgerWriter.create(folder, manifest(), SMALL, full)) {
            write(writer, 0, 4, 900);
            writer.commit();
            assertThrows(BadInputException.class, () -> write(writer, 4, 60, 900));
            writer.commit();
            assertEquals(4, writer.size());
            write(writer, 8, 12, 900);
            assertThrows(IllegalArgumentException.class, () -> write(writer, 0, 1, 900));
            write(writer, 4, 8, 900);
            writer.commit();
        }
        assertHolds(folder, 8);
    }

    @Test
    @Timeout(60)
    void aSegmentThatCannotBeClosedIsToldAndNotSynced() {
        try (WriterThreads threads = new WriterThreads()) {
            CountDownLatch disk = new CountDownLatch(1);
            threads.close(() -> {
                try {
                    disk.await();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
                throw new BadInputException("no disk");
            });
            disk.countDown();
            AtomicInteger closed = new AtomicInteger();
            assertEquals("no disk", assertThrows(BadInputException.class, () -> threads.close(closed::incrementAndGet)).getMessage());
            threads.awaitClosed();
            assertEquals(1, closed.get()); // the next one all the same
        }
    }
}
