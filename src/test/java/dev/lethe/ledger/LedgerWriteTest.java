package dev.lethe.ledger;

import static dev.lethe.ledger.LedgerFixture.append;
import static dev.lethe.ledger.LedgerFixture.assertHolds;
import static dev.lethe.ledger.LedgerFixture.header;
import static dev.lethe.ledger.LedgerFixture.length;
import static dev.lethe.ledger.LedgerFixture.manifest;
import static dev.lethe.ledger.LedgerFixture.write;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.FileSpace;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Entries that are written instead of filled in place, and segments that are closed meanwhile. */
class LedgerWriteTest {
    private static final long SMALL = 16_384;

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
            assertTrue(GradientLedger.check(folder).tails().isEmpty(), "a discarded entry leaves zeros");
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
    void aSegmentThatCannotBeClosedIsToldAndNotSynced() throws IOException {
        GrowingSegment.Allocation gone = (file, offset, bytes) -> {
            FileSpace.allocate(file, offset, bytes);
            if (file.endsWith("segment-000001.ledger")) LostDisk.under(file.resolveSibling("segment-000000.ledger"));
        };
        LedgerWriter writer = LedgerWriter.create(folder, manifest(), SMALL, gone);
        for (int i = 0; i < 8; i++) append(writer, i, 1500);
        writer.commit();
        append(writer, 8, 9000); // does not fit any more
        writer.commit();
        BadInputException first = assertThrows(BadInputException.class, writer::sync);
        assertTrue(first.getMessage().contains("segment-000000.ledger to disk"), first.getMessage());
        assertEquals(first, assertThrows(BadInputException.class, writer::sync).getCause(), "told again");
        assertThrows(BadInputException.class, writer::commit);
        assertThrows(BadInputException.class, writer::seal);
        assertFalse(LostDisk.openFiles(folder).isEmpty());
        assertEquals(first, assertThrows(BadInputException.class, writer::close).getCause());
        writer.close(); // once
        assertEquals(List.of(), LostDisk.openFiles(folder));
        goesOn(9);
    }

    @Test
    void aDiscardThatFailsEndsTheWriter() throws IOException {
        LedgerWriter writer = LedgerWriter.create(folder, manifest(), SMALL);
        write(writer, 0, 4, 900);
        writer.commit();
        append(writer, 4, 900);
        LostDisk.under(folder.resolve("segment-000000.ledger"));
        BadInputException first = assertThrows(BadInputException.class, () -> write(writer, 5, 8, 900));
        assertEquals(1, first.getSuppressed().length, "the discard's failure comes along");
        assertThrows(BadInputException.class, writer::commit);
        assertThrows(BadInputException.class, () -> append(writer, 4, 900));
        assertThrows(BadInputException.class, writer::close);
        assertEquals(List.of(), LostDisk.openFiles(folder));
        goesOn(4);
    }

    /** Without an index, and whole: what was in memory only is lost in a power cut, not when a call fails. */
    private void goesOn(int committed) {
        assertFalse(Files.exists(new LedgerFolder(folder).index()), "no clean close came before");
        assertHolds(folder, committed);
        try (LedgerWriter writer = LedgerFixture.goOn(folder, SMALL)) {
            assertEquals(committed, writer.size());
            write(writer, committed, committed + 9, 900);
            writer.commit();
        }
        assertTrue(Files.exists(new LedgerFolder(folder).index()));
        assertHolds(folder, committed + 9);
    }

    @Test
    void aPayloadWithoutChecksumDiscardsWhatAwaitedTheCommit() {
        try (LedgerWriter writer = LedgerWriter.create(folder, manifest(), SMALL); Arena own = Arena.ofConfined();
                Arena shared = Arena.ofShared()) {
            MemorySegment unreadable = own.allocate(700); // on the thread that sums
            MemorySegment readable = shared.allocate(900);
            assertThrows(IllegalStateException.class,
                    () -> writer.write(List.of(header(0), header(1), header(2)), List.of(readable, unreadable, readable)));
            writer.commit();
            assertEquals(0, writer.size());
            write(writer, 0, 3, 900);
            writer.commit();
        }
        assertHolds(folder, 3);
    }
}
