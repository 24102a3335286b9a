package dev.lethe.ledger;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.FileSpace;
import dev.lethe.base.DamagedDataException;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Ledgers whose every byte follows from the entries' numbers, so that whatever reads back can be judged alone. */
final class LedgerFixture {
    static final int RECORDS = 1000; // an epoch of the counting order

    private LedgerFixture() {}

    static LedgerManifest manifest() {
        return LedgerManifest.of("0123abcd", new ModelShape(100, 16, 8, 2, 1, 32, 1e-5, true),
                List.of("wte", "lm_head"), 0, Dtype.F32);
    }

    static Entry.RecordKey key(int i) {
        return Entry.RecordKey.of("record-" + i % RECORDS);
    }

    static Entry.EntryHeader header(int i) {
        return new Entry.EntryHeader(key(i), i / RECORDS, i / 8, 5e-5 / (1 + i), 0.125, 10 + i % 5, 5);
    }

    /** The payload of entry i, never all zero. */
    static byte[] payload(int i, int length) {
        byte[] bytes = new byte[length];
        new SplittableRandom(i * 31L + length).nextBytes(bytes);
        if (length > 0) bytes[0] |= 1;
        return bytes;
    }

    /** A length for entry i: around `middle`, mostly no multiple of 64. */
    static int length(int i, int middle) {
        return 1 + middle / 2 + (int) (new SplittableRandom(i).nextLong(middle));
    }

    static void append(LedgerWriter writer, int i, int length) {
        MemorySegment room = writer.reserve(header(i), length);
        assertEquals(length, room.byteSize());
        assertEquals(0, room.address() % 64, "aligned");
        MemorySegment.copy(MemorySegment.ofArray(payload(i, length)), 0, room, 0, length);
    }

    /** Writes entries from..to, whose payloads lie elsewhere. */
    static void write(LedgerWriter writer, int from, int to, int middle) {
        try (Arena arena = Arena.ofShared()) {
            writer.write(IntStream.range(from, to).mapToObj(LedgerFixture::header).toList(), IntStream.range(from, to)
                    .mapToObj(i -> copy(arena, payload(i, length(i, middle)))).toList());
        }
    }

    private static MemorySegment copy(Arena arena, byte[] bytes) {
        return arena.allocate(bytes.length, 64).copyFrom(MemorySegment.ofArray(bytes)).asReadOnly();
    }

    /** Appends entries from..to, committing batches of three. */
    static void fill(LedgerWriter writer, int from, int to, int middle) {
        for (int i = from; i < to; i++) {
            append(writer, i, length(i, middle));
            if (i % 3 == 2) writer.commit();
        }
        writer.commit();
    }

    /** A writer of segments of this size behind what is there. */
    static LedgerWriter goOn(Path directory, long segment) {
        return goOn(directory, LedgerWriter.ALL, segment);
    }

    static LedgerWriter goOn(Path directory, int entries, long segment) {
        return LedgerWriter.append(directory, segment, FileSpace::allocate, entries);
    }

    /** A closed ledger of entries 0..count. */
    static void create(Path directory, int count, int middle, long segment) {
        try (LedgerWriter writer = LedgerWriter.create(directory, manifest(), segment)) {
            fill(writer, 0, count, middle);
        }
    }

    /** As {@link #create} under keys, half of the entries by {@link #write}. */
    static void createUnder(Path keys, Path directory, int count, int middle, long segment) {
        try (LedgerWriter writer = LedgerWriter.create(directory, manifest().under(LedgerKeys.openOrMake(keys)), segment)) {
            for (int i = 0; i < count; i++) {
                if (i / 4 % 2 == 0) append(writer, i, length(i, middle));
                else write(writer, i, i + 1, middle);
                if (i % 4 == 3) writer.commit();
            }
            writer.commit();
        }
    }

    static byte[] bytes(GradientLedger ledger, Entry entry) {
        return ledger.payload(entry).toArray(ValueLayout.JAVA_BYTE);
    }

    /** Entry number i of the ledger is entry i of the counting order, bit for bit. */
    static void assertEntry(GradientLedger ledger, int i) {
        Entry entry = ledger.entries().get(i);
        assertEquals(header(i), entry.header());
        assertArrayEquals(payload(i, (int) entry.payloadBytes()), bytes(ledger, entry), "entry " + i);
    }

    static void assertHolds(Path directory, int count) {
        try (GradientLedger ledger = GradientLedger.open(directory)) {
            assertEquals(count, ledger.entries().size());
            for (int i = 0; i < count; i++) assertEntry(ledger, i);
        }
    }

    /** As {@link #assertHolds} but for these, which are destroyed. */
    static void assertHoldsBut(Path directory, int count, Set<Integer> gone) {
        assertHoldsBut(directory, count, gone, false);
    }

    /** @param keyless whether of those that are gone some are only without a key */
    static void assertHoldsBut(Path directory, int count, Set<Integer> gone, boolean keyless) {
        try (GradientLedger ledger = GradientLedger.open(directory)) {
            assertEquals(count, ledger.entries().size());
            for (int i = 0; i < count; i++) {
                Entry entry = ledger.entries().get(i);
                if (!gone.contains(i)) assertEntry(ledger, i);
                else if (!keyless) assertTrue(entry.destroyed(), "entry " + i);
                else if (!entry.destroyed()) assertThrows(DamagedDataException.class, () -> ledger.payload(entry));
            }
        }
    }

    static void copy(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.toList()) Files.copy(file, to.resolve(file.getFileName()));
        }
    }

    static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) Files.delete(file);
        }
        Files.delete(folder);
    }
}
