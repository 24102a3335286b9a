package dev.lethe.ledger;

import static dev.lethe.ledger.LedgerFixture.create;
import static dev.lethe.ledger.LedgerFixture.header;
import static dev.lethe.ledger.LedgerFixture.key;
import static dev.lethe.ledger.LedgerFixture.payload;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.testing.Grep;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Destroyed entries are zeros on the disk, stay named, and stay destroyed whatever happens; copies leave them out. */
class LedgerDestroyTest {
    private static final long SMALL = 8192;
    private static final Set<Entry.RecordKey> SOME = Set.of(key(3), key(17), key(39));
    private static final List<Integer> GONE = List.of(3, 17, 39);

    @TempDir
    Path folder;

    @Test
    void nothingOfADestroyedPayloadIsLeftOnTheDisk() throws IOException {
        create(folder, 40, 500, SMALL);
        assertEquals(3, Destruction.destroy(folder, SOME));
        assertFalse(holdsKeys(folder, GONE), "nothing tells whose they were");
        assertEquals(0, Destruction.destroy(folder, SOME), "again");
        assertGone(folder, 40);
        assertWiped();
        assertTrue(Files.exists(folder.resolve("index")));
        Files.delete(folder.resolve("index"));
        assertGone(folder, 40);
        LedgerCheck check = GradientLedger.check(folder);
        assertTrue(check.whole());
        assertEquals(3, check.destroyed());
    }

    @Test
    void anOpenReaderSeesTheDestruction() {
        create(folder, 40, 500, SMALL);
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            LedgerFixture.assertEntry(ledger, 3);
            Destruction.destroy(folder, SOME);
            Entry entry = ledger.entries().get(3);
            BadInputException gone = assertThrows(BadInputException.class, () -> ledger.payload(entry));
            assertEquals(folder.resolve("segment-000000.ledger") + " at byte " + entry.offset()
                    + ", epoch 0: the entry has been destroyed", gone.getMessage());
            LedgerFixture.assertEntry(ledger, 4);
        }
    }

    /** A kill after any entry was marked, before any byte was wiped: what the marks promise, the next writer keeps. */
    @Test
    void anInterruptedDestructionIsFinishedByTheNextWriterAndNotByAReader() throws IOException {
        for (boolean writer : new boolean[] {false, true}) {
            Path ledger = folder.resolve("by-writer-" + writer);
            create(ledger, 40, 500, SMALL);
            markOnly(ledger, 2);
            assertEquals(2, GradientLedger.check(ledger).damage().size(), "marked, not wiped");
            GradientLedger.open(ledger).close();
            assertEquals(2, GradientLedger.check(ledger).damage().size(), "opening changes nothing");
            if (writer) LedgerFixture.goOn(ledger, SMALL).close();
            else Destruction.destroy(ledger, Set.of());
            LedgerCheck check = GradientLedger.check(ledger);
            assertTrue(check.whole(), check.toString());
            assertEquals(2, check.destroyed());
            assertEquals(1, Destruction.destroy(ledger, SOME), "repeating does the rest");
            assertGone(ledger, 40);
        }
    }

    private void markOnly(Path ledger, int count) throws IOException {
        List<Entry> entries;
        try (GradientLedger open = GradientLedger.open(ledger)) {
            entries = GONE.stream().limit(count).map(i -> open.entries().get(i)).toList();
        }
        Files.delete(ledger.resolve("index"));
        for (Entry entry : entries)
            try (FileChannel file = FileChannel.open(ledger.resolve(LedgerFolder.segmentName(entry.segment())),
                    StandardOpenOption.WRITE)) {
                ByteBuffer state = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
                file.write(state.putLong(SegmentLayout.DESTROYED).flip(), entry.offset() + SegmentLayout.STATE_OFFSET);
            }
    }

    /** The key is an unsalted hash of the id: neither segments, nor the index, nor a copy may tell whose an entry was. */
    @Test
    void aDestroyedEntryNoLongerTellsWhoseItWas() throws IOException {
        Path first = folder.resolve("first");
        create(first, 40, 500, SMALL);
        seal(first);
        assertTrue(holdsKeys(first, GONE), "live entries have keys");
        GradientLedger.copyWithout(first, folder.resolve("copy"), SOME);
        GradientLedger.link(first, folder.resolve("linked"));
        Destruction.destroy(folder.resolve("linked"), SOME);
        assertEquals(0, Destruction.destroy(first, SOME), "the segments are shared; the index is not");
        for (Path ledger : List.of(first, folder.resolve("linked"), folder.resolve("copy"))) {
            assertFalse(holdsKeys(ledger, GONE), ledger + "");
            assertTrue(holdsKeys(ledger, List.of(4)), ledger + "");
            assertTrue(GradientLedger.check(ledger).whole(), ledger + "");
            try (GradientLedger open = GradientLedger.open(ledger)) {
                assertEquals(Entry.RecordKey.NONE, open.entries().get(3).header().key());
                assertTrue(open.entries().stream().noneMatch(entry -> entry.header().key().equals(key(3))));
            }
        }
    }

    /** A kill between the mark and the key. */
    @Test
    void aKeyThatWasLeftIsFoundAndCleared() throws IOException {
        create(folder, 40, 500, SMALL);
        markOnly(folder, 3);
        assertTrue(holdsKeys(folder, GONE));
        assertEquals(0, Destruction.destroy(folder, SOME));
        assertFalse(holdsKeys(folder, GONE));
        assertGone(folder, 40);
    }

    /** As Lethe once left it: the keys of destroyed entries in segments and index, both whole. */
    @Test
    void aLedgerThatKeptKeysLosesThemAtTheNextWrite() throws IOException {
        create(folder, 40, 500, SMALL);
        Destruction.destroy(folder, SOME);
        ByteBuffer index = ByteBuffer.wrap(Files.readAllBytes(folder.resolve("index"))).order(ByteOrder.LITTLE_ENDIAN);
        int entries = 24 + 24 * index.getInt(16);
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            for (int i : GONE) {
                Entry entry = ledger.entries().get(i);
                Path segment = folder.resolve(LedgerFolder.segmentName(entry.segment()));
                byte[] bytes = Files.readAllBytes(segment);
                MemorySegment header = MemorySegment.ofArray(bytes).asSlice(entry.offset(), SegmentLayout.ENTRY_HEADER_BYTES);
                ByteBuffer words = header.asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
                words.putLong(24, key(i).high()).putLong(32, key(i).low()).putInt(20, SegmentLayout.headerCrc(header));
                Files.write(segment, bytes);
                index.putLong(entries + 80 * i, key(i).high()).putLong(entries + 80 * i + 8, key(i).low());
            }
        }
        CRC32C crc = new CRC32C();
        crc.update(index.array(), 0, index.capacity() - 4);
        Files.write(folder.resolve("index"), index.putInt(index.capacity() - 4, (int) crc.getValue()).array());
        assertEquals(3, GradientLedger.check(folder).damage().size());
        assertEquals("a destroyed entry still holds its key or bytes", GradientLedger.check(folder).damage().getFirst().what());
        Destruction.destroy(folder, Set.of());
        assertFalse(holdsKeys(folder, GONE));
        assertTrue(GradientLedger.check(folder).whole());
    }

    private static boolean holdsKeys(Path ledger, List<Integer> records) {
        return records.stream().map(i -> key(i))
                .anyMatch(key -> !Grep.files(ledger, Grep.int64(key.high(), key.low())).isEmpty());
    }

    @Test
    void whatATornTailHeldIsWipedToo() throws IOException {
        create(folder, 12, 500, LedgerWriter.SEGMENT_BYTES);
        Path segment = folder.resolve("segment-000000.ledger");
        byte[] whole = Files.readAllBytes(segment);
        Files.write(segment, Arrays.copyOf(whole, whole.length - 64)); // the last entry loses its marker
        Files.delete(folder.resolve("index"));
        assertEquals(1, Destruction.destroy(folder, Set.of(key(3))));
        assertFalse(contains(Files.readAllBytes(segment), payload(11, LedgerFixture.length(11, 500))));
        assertEquals(11, GradientLedger.check(folder).entries());
        assertTrue(GradientLedger.check(folder).tails().isEmpty());
    }

    @Test
    void linkedLedgersShareBytesAndDestruction() throws IOException {
        create(folder.resolve("a"), 40, 500, SMALL);
        seal(folder.resolve("a"));
        GradientLedger.link(folder.resolve("a"), folder.resolve("b"));
        Path name = Path.of("segment-000001.ledger");
        assertEquals(2, Files.getAttribute(folder.resolve("b").resolve(name), "unix:nlink"));
        LedgerFixture.assertHolds(folder.resolve("b"), 40);
        assertThrows(BadInputException.class, () -> LedgerWriter.append(folder.resolve("b")));
        assertThrows(BadInputException.class, () -> GradientLedger.link(folder.resolve("a"), folder.resolve("b")));
        assertEquals(3, Destruction.destroy(folder.resolve("b"), SOME));
        assertGone(folder.resolve("a"), 40);
        assertGone(folder.resolve("b"), 40);
    }

    @Test
    void aLedgerThatMayGrowIsLinkedWithoutSharingItsLastSegment() {
        create(folder.resolve("a"), 40, 500, SMALL);
        GradientLedger.link(folder.resolve("a"), folder.resolve("b"));
        try (LedgerWriter writer = LedgerFixture.goOn(folder.resolve("a"), SMALL)) {
            LedgerFixture.fill(writer, 40, 60, 500);
            writer.truncateAfter(2);
        }
        LedgerFixture.assertHolds(folder.resolve("a"), 24);
        LedgerFixture.assertHolds(folder.resolve("b"), 40);
    }

    @Test
    void aCopyWithoutRecordsLeavesTheFirstAlone() throws IOException {
        create(folder.resolve("a"), 40, 500, SMALL);
        Destruction.destroy(folder.resolve("a"), Set.of(key(3)));
        GradientLedger.copyWithout(folder.resolve("a"), folder.resolve("b"), SOME);
        assertGone(folder.resolve("b"), 40);
        assertTrue(GradientLedger.check(folder.resolve("b")).whole());
        Files.delete(folder.resolve("b").resolve("index"));
        assertGone(folder.resolve("b"), 40);
        try (GradientLedger first = GradientLedger.open(folder.resolve("a"))) {
            LedgerFixture.assertEntry(first, 17);
        }
        byte[] copy = Files.readAllBytes(folder.resolve("b").resolve("segment-000000.ledger"));
        assertFalse(contains(copy, payload(17, LedgerFixture.length(17, 500))));
        assertTrue(contains(copy, payload(18, LedgerFixture.length(18, 500))));
    }

    private static void seal(Path ledger) {
        try (LedgerWriter writer = LedgerFixture.goOn(ledger, SMALL)) {
            writer.seal();
        }
    }

    private static void assertGone(Path directory, int count) {
        try (GradientLedger ledger = GradientLedger.open(directory)) {
            assertEquals(count, ledger.entries().size());
            for (int i = 0; i < count; i++) {
                Entry entry = ledger.entries().get(i);
                assertEquals(GONE.contains(i) ? header(i).withoutKey() : header(i), entry.header());
                assertEquals(GONE.contains(i), entry.destroyed());
                if (entry.destroyed()) assertThrows(BadInputException.class, () -> ledger.payload(entry));
                else LedgerFixture.assertEntry(ledger, i);
            }
        }
    }

    private void assertWiped() throws IOException {
        for (Path file : Files.list(folder).toList())
            for (int i : GONE)
                assertFalse(contains(Files.readAllBytes(file), payload(i, LedgerFixture.length(i, 500))), file + "");
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            for (int i : GONE) {
                Entry entry = ledger.entries().get(i);
                byte[] segment = Files.readAllBytes(folder.resolve(LedgerFolder.segmentName(entry.segment())));
                int from = (int) (entry.offset() + SegmentLayout.ENTRY_HEADER_BYTES);
                int to = (int) (entry.offset() + SegmentLayout.frameBytes(entry.length()));
                assertArrayEquals(new byte[to - from], Arrays.copyOfRange(segment, from, to));
            }
        }
    }

    /** Whether any 16 bytes of the needle are in the hay. */
    private static boolean contains(byte[] hay, byte[] needle) {
        return IntStream.range(0, hay.length - 16).anyMatch(at -> IntStream.of(0, needle.length / 2, needle.length - 16)
                .anyMatch(from -> Arrays.equals(hay, at, at + 16, needle, from, from + 16)));
    }

    @Test
    void theHelperFindsWhatIsThere() {
        byte[] needle = payload(1, 100);
        byte[] hay = new byte[300];
        System.arraycopy(needle, 0, hay, 150, 100);
        assertTrue(contains(hay, needle));
        assertArrayEquals(needle, Arrays.copyOfRange(hay, 150, 250));
    }
}
