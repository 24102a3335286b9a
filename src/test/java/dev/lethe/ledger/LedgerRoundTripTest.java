package dev.lethe.ledger;

import static dev.lethe.ledger.LedgerFixture.append;
import static dev.lethe.ledger.LedgerFixture.assertEntry;
import static dev.lethe.ledger.LedgerFixture.assertHolds;
import static dev.lethe.ledger.LedgerFixture.create;
import static dev.lethe.ledger.LedgerFixture.fill;
import static dev.lethe.ledger.LedgerFixture.header;
import static dev.lethe.ledger.LedgerFixture.key;
import static dev.lethe.ledger.LedgerFixture.manifest;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is written reads back, however it is laid out and whoever else is at work. */
class LedgerRoundTripTest {
    private static final long SMALL = 4096;

    @TempDir
    Path folder;

    @Test
    void entriesReadBackFromTheIndexAndFromAScan() throws Exception {
        create(folder, 100, 500, LedgerWriter.SEGMENT_BYTES);
        assertTrue(Files.exists(folder.resolve("index")));
        assertHolds(folder, 100);
        Files.delete(folder.resolve("index"));
        assertHolds(folder, 100);
        LedgerCheck check = GradientLedger.check(folder);
        assertTrue(check.whole());
        assertEquals(100, check.entries());
        assertEquals(Files.size(folder.resolve("segment-000000.ledger")), check.bytes(), "the tail is trimmed");
    }

    @Test
    void segmentsRollAndALargeEntryGetsItsOwn() {
        try (LedgerWriter writer = LedgerWriter.create(folder, manifest(), SMALL)) {
            fill(writer, 0, 30, 600);
            append(writer, 30, 20_000);
            append(writer, 31, 10);
            writer.commit();
        }
        assertHolds(folder, 32);
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            Entry large = ledger.entries().get(30);
            assertEquals(64, large.offset());
            assertTrue(ledger.entries().get(31).segment() > large.segment());
            assertTrue(large.segment() > 3);
            assertEquals(ledger.entries().subList(0, 3), ledger.entries(0).subList(0, 3));
            assertEquals(key(7), ledger.entries().get(7).header().key());
            assertEquals(List.of(), ledger.entries(1));
        }
    }

    @Test
    void anEmptyLedgerAndEmptyPayloadsAreFine() {
        LedgerWriter.create(folder, manifest()).close();
        assertHolds(folder, 0);
        try (LedgerWriter writer = LedgerWriter.append(folder)) {
            append(writer, 0, 0);
            append(writer, 1, 1);
            writer.commit();
        }
        assertHolds(folder, 2);
    }

    @Test
    void appendingGoesOnWhereACloseLeftOff() {
        create(folder, 10, 700, SMALL);
        for (int i = 10; i < 40; i += 10)
            try (LedgerWriter writer = LedgerFixture.goOn(folder, SMALL)) {
                assertEquals(i, writer.size());
                fill(writer, i, i + 10, 700);
                assertEquals((i + 9) / 8, writer.lastStep());
            }
        assertHolds(folder, 40);
        assertTrue(GradientLedger.check(folder).whole());
    }

    @Test
    void theSameEntriesGiveTheSameBytes() throws Exception {
        create(folder.resolve("a"), 50, 400, SMALL);
        create(folder.resolve("b"), 50, 400, SMALL);
        for (Path file : Files.list(folder.resolve("a")).toList())
            assertEquals(-1, Files.mismatch(file, folder.resolve("b").resolve(file.getFileName())), file.toString());
    }

    @Test
    void whatIsNotCommittedIsNotThere() {
        try (LedgerWriter writer = LedgerWriter.create(folder, manifest(), SMALL)) {
            fill(writer, 0, 6, 500);
            for (int i = 6; i < 30; i++) append(writer, i, 900); // rolls segments
            writer.discard();
            fill(writer, 6, 12, 300);
            append(writer, 12, 5000);
        }
        assertHolds(folder, 12);
        assertTrue(GradientLedger.check(folder).whole());
    }

    @Test
    void readersSeeWhatWasCommittedWhenTheyOpened() {
        try (LedgerWriter writer = LedgerWriter.create(folder, manifest(), 100_000)) {
            fill(writer, 0, 50, 2000);
            append(writer, 50, 100);
            try (GradientLedger early = GradientLedger.open(folder)) {
                fill(writer, 51, 300, 2000);
                assertEquals(50, early.entries().size());
                for (int i = 0; i < 50; i++) assertEntry(early, i);
                writer.truncateAfter(2); // entries 0..23
                assertThrows(BadInputException.class, () -> early.payload(early.entries().getFirst()), "open again");
            }
            assertHolds(folder, 24);
        }
        assertHolds(folder, 24);
    }

    @Test
    void readersInOtherThreadsNeverSeeDamageWhileWriting() throws Exception {
        List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());
        try (LedgerWriter writer = LedgerWriter.create(folder, manifest(), 16_384)) {
            Thread reader = Thread.ofPlatform().start(() -> {
                int seen = 0;
                while (seen < 3000 && failures.isEmpty())
                    try (GradientLedger ledger = GradientLedger.open(folder)) {
                        int now = ledger.entries().size();
                        assertTrue(now >= seen);
                        if (now > 0) assertEntry(ledger, now - 1);
                        seen = now;
                    } catch (Throwable e) {
                        failures.add(e);
                    }
            });
            fill(writer, 0, 3000, 300);
            reader.join();
        }
        assertEquals(List.of(), failures);
    }

    @Test
    void aSecondWriterIsRefusedAndToldWhoHoldsIt() {
        LedgerWriter writer = LedgerWriter.create(folder, manifest());
        String me = "process " + ProcessHandle.current().pid() + " (capturing)";
        BadInputException refused = assertThrows(BadInputException.class, () -> LedgerWriter.append(folder));
        assertEquals("ledger " + folder + " is being written by " + me
                + "; a ledger has one writer at a time. Wait for it, or stop it", refused.getMessage());
        assertThrows(BadInputException.class, () -> Destruction.destroy(folder, Set.of(key(0))));
        writer.close();
        writer.close();
        LedgerWriter.append(folder).close();
        assertThrows(BadInputException.class, () -> LedgerWriter.create(folder, manifest()));
        assertThrows(IllegalStateException.class, writer::commit);
    }

    @Test
    void truncateAfterDropsLaterStepsOnly() {
        create(folder, 100, 500, SMALL);
        try (LedgerWriter writer = LedgerFixture.goOn(folder, SMALL)) {
            append(writer, 100, 77);
            writer.truncateAfter(5); // entries 0..47
            assertEquals(48, writer.size());
            writer.truncateAfter(5);
            fill(writer, 48, 60, 500);
        }
        assertHolds(folder, 60);
        try (LedgerWriter writer = LedgerFixture.goOn(folder, SMALL)) {
            assertThrows(IllegalArgumentException.class, () -> writer.reserve(header(0), 8));
            writer.truncateAfter(-1);
            assertEquals(-1, writer.lastStep());
            fill(writer, 0, 5, 500);
        }
        assertHolds(folder, 5);
    }

    @Test
    void aSealedLedgerTakesNoMore() {
        try (LedgerWriter writer = LedgerWriter.create(folder, manifest())) {
            fill(writer, 0, 5, 500);
            writer.seal();
        }
        assertThrows(BadInputException.class, () -> LedgerWriter.append(folder));
        assertHolds(folder, 5);
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            assertTrue(ledger.manifest().sealed());
        }
    }

    @Test
    void aFolderWithoutALedgerIsNamed() {
        BadInputException missing = assertThrows(BadInputException.class, () -> GradientLedger.open(folder));
        assertEquals(folder + " holds no ledger: manifest.json is missing", missing.getMessage());
        assertThrows(BadInputException.class, () -> LedgerWriter.append(folder.resolve("nowhere")));
        assertFalse(Files.exists(folder.resolve("nowhere")));
    }

    @Test
    void payloadsEndWithTheirLedger() {
        create(folder, 1, 500, SMALL);
        GradientLedger ledger = GradientLedger.open(folder);
        var payload = ledger.payload(ledger.entries().getFirst());
        assertTrue(payload.isReadOnly());
        ledger.close();
        ledger.close();
        assertThrows(IllegalStateException.class, () -> payload.get(ValueLayout.JAVA_BYTE, 0));
    }
}
