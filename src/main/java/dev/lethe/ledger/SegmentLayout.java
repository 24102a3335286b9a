/*
 * The frame of a segment file; all numbers little-endian. Every byte is covered by a checksum or by a
 * self-checking word, so that a flipped bit anywhere is seen. An entry of version 2 is under a key (EntryCipher): its header
 * has a nonce, its payload is ciphertext and tag, its checksum is theirs.
 *
 *   segment  = header [64]  entry*
 *   entry    = header [128]  payload [length rounded up to 64]  marker [64]      every part starts at a multiple of 64
 *
 * The marker is written last and makes the entry committed. Rewritten later, by destruction, are `changes` and `state`,
 * which lie outside the header checksums, and then `crc` and the key behind it, together inside one disk sector. A
 * destroyed entry keeps its header without the key; the rest is zero.
 */
package dev.lethe.ledger;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/** Layouts of the ledger's bytes and the checksums over them. Knows no files. */
final class SegmentLayout {
    static final int VERSION = 1;
    static final int ENCRYPTED = 2; // version of an entry under a key, and of the manifest of a ledger that may have them
    static final long ALIGNMENT = 64;
    static final long SEGMENT_HEADER_BYTES = 64;
    static final long ENTRY_HEADER_BYTES = 128;
    static final long MARKER_BYTES = 64;
    static final int NONCE_BYTES = 12;
    static final long SMALLEST_ENTRY_BYTES = ENTRY_HEADER_BYTES + MARKER_BYTES;

    static final long SEGMENT_MAGIC = 0x31474553_4548544CL; // "LTHESEG1"
    static final long ENTRY_MAGIC = 0x31544E45_4548544CL;   // "LTHEENT1"
    static final long MARKER_MAGIC = 0x31444E45_4548544CL;  // "LTHEEND1"
    static final long LIVE = 0x4556494C_A5C33C5AL;          // far apart in every byte: no flipped bit turns one
    static final long DESTROYED = 0x454E4F47_5A3CC3A5L;     // into the other

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final StructLayout SEGMENT = MemoryLayout.structLayout(
            LONG.withName("magic"), INT.withName("version"), INT.withName("number"), INT.withName("identity"),
            INT.withName("crc"), LONG.withName("changes"), LONG.withName("changesInverted"),
            LONG.withName("firstEntry"), MemoryLayout.paddingLayout(16));
    private static final VarHandle SEGMENT_MAGIC_WORD = field(SEGMENT, "magic");
    private static final VarHandle SEGMENT_VERSION = field(SEGMENT, "version");
    private static final VarHandle SEGMENT_NUMBER = field(SEGMENT, "number");
    private static final VarHandle SEGMENT_IDENTITY = field(SEGMENT, "identity");
    private static final VarHandle SEGMENT_CRC = field(SEGMENT, "crc");
    private static final VarHandle FIRST_ENTRY = field(SEGMENT, "firstEntry");
    private static final VarHandle CHANGES = field(SEGMENT, "changes");
    private static final VarHandle CHANGES_INVERTED = field(SEGMENT, "changesInverted");
    static final long CHANGES_OFFSET = SEGMENT.byteOffset(PathElement.groupElement("changes"));

    private static final StructLayout ENTRY = MemoryLayout.structLayout(
            LONG.withName("magic"), LONG.withName("state"), INT.withName("version"), INT.withName("crc"),
            LONG.withName("keyHigh"), LONG.withName("keyLow"), LONG.withName("step"), LONG.withName("length"),
            LONG.withName("offset"), DOUBLE.withName("learningRate"), DOUBLE.withName("weight"),
            INT.withName("segment"), INT.withName("epoch"), INT.withName("tokens"), INT.withName("targets"),
            MemoryLayout.sequenceLayout(NONCE_BYTES, ValueLayout.JAVA_BYTE).withName("nonce"), MemoryLayout.paddingLayout(20));
    private static final VarHandle ENTRY_MAGIC_WORD = field(ENTRY, "magic");
    private static final VarHandle STATE = field(ENTRY, "state");
    private static final VarHandle ENTRY_VERSION = field(ENTRY, "version");
    private static final VarHandle ENTRY_CRC = field(ENTRY, "crc");
    private static final VarHandle KEY_HIGH = field(ENTRY, "keyHigh");
    private static final VarHandle KEY_LOW = field(ENTRY, "keyLow");
    private static final VarHandle STEP = field(ENTRY, "step");
    private static final VarHandle LENGTH = field(ENTRY, "length");
    private static final VarHandle OFFSET = field(ENTRY, "offset");
    private static final VarHandle LEARNING_RATE = field(ENTRY, "learningRate");
    private static final VarHandle WEIGHT = field(ENTRY, "weight");
    private static final VarHandle SEGMENT_OF_ENTRY = field(ENTRY, "segment");
    private static final VarHandle EPOCH = field(ENTRY, "epoch");
    private static final VarHandle TOKENS = field(ENTRY, "tokens");
    private static final VarHandle TARGETS = field(ENTRY, "targets");
    static final long NONCE_OFFSET = ENTRY.byteOffset(PathElement.groupElement("nonce"));
    static final long STATE_OFFSET = ENTRY.byteOffset(PathElement.groupElement("state"));
    static final long ENTRY_CRC_OFFSET = ENTRY.byteOffset(PathElement.groupElement("crc"));
    static final long KEY_END = ENTRY.byteOffset(PathElement.groupElement("step")); // crc and key lie between

    private static final StructLayout MARKER = MemoryLayout.structLayout(
            LONG.withName("magic"), LONG.withName("offset"), INT.withName("payloadCrc"), INT.withName("headerCrc"),
            MemoryLayout.paddingLayout(36), INT.withName("crc"));
    private static final VarHandle MARKER_MAGIC_WORD = field(MARKER, "magic");
    private static final VarHandle MARKER_OFFSET = field(MARKER, "offset");
    private static final VarHandle PAYLOAD_CRC = field(MARKER, "payloadCrc");
    private static final VarHandle HEADER_CRC = field(MARKER, "headerCrc");
    private static final VarHandle MARKER_CRC = field(MARKER, "crc");
    private static final long MARKER_CRC_OFFSET = MARKER.byteOffset(PathElement.groupElement("crc"));

    static {
        if (SEGMENT.byteSize() != SEGMENT_HEADER_BYTES || ENTRY.byteSize() != ENTRY_HEADER_BYTES
                || MARKER.byteSize() != MARKER_BYTES) throw new AssertionError("ledger layouts have the wrong size");
    }

    private SegmentLayout() {}

    /** What a segment's header says; `firstEntry` counts the entries of all earlier segments. */
    record SegmentHeader(int version, int number, int identity, long firstEntry, long changes) {}

    private static VarHandle field(StructLayout layout, String name) {
        return layout.varHandle(PathElement.groupElement(name));
    }

    static long padded(long payloadBytes) {
        return Math.addExact(payloadBytes, ALIGNMENT - 1) & -ALIGNMENT;
    }

    /** Bytes that an entry with this payload takes in a segment. */
    static long frameBytes(long payloadBytes) {
        return Math.addExact(SMALLEST_ENTRY_BYTES, padded(payloadBytes));
    }

    /** CRC32C of a slice of any size. */
    static int crc(MemorySegment bytes) {
        CRC32C crc = new CRC32C();
        update(crc, bytes);
        return (int) crc.getValue();
    }

    /** CRC32C of a payload and of the zeros between it and its marker. */
    static int bodyCrc(MemorySegment payload) {
        CRC32C crc = new CRC32C();
        update(crc, payload);
        crc.update(new byte[(int) (padded(payload.byteSize()) - payload.byteSize())]);
        return (int) crc.getValue();
    }

    private static void update(CRC32C crc, MemorySegment bytes) {
        long chunk = 1L << 30; // a ByteBuffer ends at 2 GiB
        for (long at = 0; at < bytes.byteSize(); at += chunk)
            crc.update(bytes.asSlice(at, Math.min(chunk, bytes.byteSize() - at)).asByteBuffer());
    }

    // ---- segment header

    static void writeSegmentHeader(MemorySegment to, int number, int identity, long firstEntry) {
        to.asSlice(0, SEGMENT_HEADER_BYTES).fill((byte) 0);
        SEGMENT_MAGIC_WORD.set(to, 0L, SEGMENT_MAGIC);
        SEGMENT_VERSION.set(to, 0L, VERSION);
        SEGMENT_NUMBER.set(to, 0L, number);
        SEGMENT_IDENTITY.set(to, 0L, identity);
        FIRST_ENTRY.set(to, 0L, firstEntry);
        writeChanges(to, 0);
        SEGMENT_CRC.set(to, 0L, segmentCrc(to));
    }

    static void writeChanges(MemorySegment segmentHeader, long changes) {
        CHANGES.set(segmentHeader, 0L, changes);
        CHANGES_INVERTED.set(segmentHeader, 0L, ~changes);
    }

    /** The header, or null when its bytes do not hold together. */
    static SegmentHeader readSegmentHeader(MemorySegment from) {
        long changes = (long) CHANGES.get(from, 0L);
        boolean holds = (long) SEGMENT_MAGIC_WORD.get(from, 0L) == SEGMENT_MAGIC
                && (int) SEGMENT_CRC.get(from, 0L) == segmentCrc(from)
                && (long) CHANGES_INVERTED.get(from, 0L) == ~changes;
        return holds ? new SegmentHeader((int) SEGMENT_VERSION.get(from, 0L), (int) SEGMENT_NUMBER.get(from, 0L),
                (int) SEGMENT_IDENTITY.get(from, 0L), (long) FIRST_ENTRY.get(from, 0L), changes) : null;
    }

    private static int segmentCrc(MemorySegment header) {
        CRC32C crc = new CRC32C();
        update(crc, header.asSlice(0, 20));
        update(crc, header.asSlice(40, 24));
        return (int) crc.getValue();
    }

    // ---- entry header

    static void writeEntryHeader(MemorySegment to, Entry entry) {
        writeEntryHeader(to, entry, new byte[NONCE_BYTES]);
    }

    static void writeEntryHeader(MemorySegment to, Entry entry, byte[] nonce) {
        Entry.EntryHeader header = entry.header();
        to.asSlice(0, ENTRY_HEADER_BYTES).fill((byte) 0);
        ENTRY_VERSION.set(to, 0L, entry.encrypted() ? ENCRYPTED : VERSION);
        MemorySegment.copy(nonce, 0, to, ValueLayout.JAVA_BYTE, NONCE_OFFSET, NONCE_BYTES);
        KEY_HIGH.set(to, 0L, header.key().high());
        KEY_LOW.set(to, 0L, header.key().low());
        STEP.set(to, 0L, header.step());
        LENGTH.set(to, 0L, entry.length());
        OFFSET.set(to, 0L, entry.offset());
        LEARNING_RATE.set(to, 0L, header.learningRate());
        WEIGHT.set(to, 0L, header.weight());
        SEGMENT_OF_ENTRY.set(to, 0L, entry.segment());
        EPOCH.set(to, 0L, header.epoch());
        TOKENS.set(to, 0L, header.tokens());
        TARGETS.set(to, 0L, header.targets());
        ENTRY_MAGIC_WORD.set(to, 0L, ENTRY_MAGIC);
        ENTRY_CRC.set(to, 0L, headerCrc(to));
        STATE.setRelease(to, 0L, entry.destroyed() ? DESTROYED : LIVE); // last: it alone commits a destroyed entry
    }

    static boolean looksLikeEntry(MemorySegment bytes, long at) {
        return bytes.get(LONG, at) == ENTRY_MAGIC;
    }

    /** The entry whose header these bytes are, or null when they are not a whole header for this place. */
    static Entry readEntryHeader(MemorySegment from, int segment, long offset) {
        long state = (long) STATE.get(from, 0L);
        long length = (long) LENGTH.get(from, 0L);
        int version = (int) ENTRY_VERSION.get(from, 0L);
        boolean holds = (long) ENTRY_MAGIC_WORD.get(from, 0L) == ENTRY_MAGIC && (state == LIVE || state == DESTROYED)
                && (int) ENTRY_CRC.get(from, 0L) == headerCrc(from) && (version == VERSION || version == ENCRYPTED)
                && (int) SEGMENT_OF_ENTRY.get(from, 0L) == segment && (long) OFFSET.get(from, 0L) == offset
                && length >= 0 && length <= Long.MAX_VALUE / 2;
        if (!holds) return null;
        Entry.RecordKey key = new Entry.RecordKey((long) KEY_HIGH.get(from, 0L), (long) KEY_LOW.get(from, 0L));
        try {
            Entry.EntryHeader header = new Entry.EntryHeader(key, (int) EPOCH.get(from, 0L), (long) STEP.get(from, 0L),
                    (double) LEARNING_RATE.get(from, 0L), (double) WEIGHT.get(from, 0L), (int) TOKENS.get(from, 0L),
                    (int) TARGETS.get(from, 0L));
            return new Entry(header, segment, offset, length, version == ENCRYPTED, state == DESTROYED);
        } catch (IllegalArgumentException outOfRange) {
            return null; // a right checksum over impossible values: not ours
        }
    }

    static boolean hasKey(MemorySegment entryHeader) {
        return (long) KEY_HIGH.get(entryHeader, 0L) != 0 || (long) KEY_LOW.get(entryHeader, 0L) != 0;
    }

    static void clearKey(MemorySegment entryHeader) {
        KEY_HIGH.set(entryHeader, 0L, 0L);
        KEY_LOW.set(entryHeader, 0L, 0L);
        ENTRY_CRC.set(entryHeader, 0L, headerCrc(entryHeader));
    }

    static int headerCrc(MemorySegment header) {
        CRC32C crc = new CRC32C();
        crc.update(bound(header));
        return (int) crc.getValue();
    }

    /** All of an entry's header but its state, which changes when it is destroyed, and the checksum over this. */
    static byte[] bound(MemorySegment header) {
        byte[] all = header.asSlice(0, ENTRY_HEADER_BYTES).toArray(ValueLayout.JAVA_BYTE);
        int state = (int) STATE_OFFSET;
        int crc = (int) ENTRY_CRC_OFFSET;
        byte[] bound = new byte[all.length - 12];
        System.arraycopy(all, 0, bound, 0, state);
        System.arraycopy(all, state + 8, bound, state, crc - state - 8);
        System.arraycopy(all, crc + 4, bound, crc - 8, all.length - crc - 4);
        return bound;
    }

    static long state(MemorySegment entry) {
        return (long) STATE.getAcquire(entry, 0L);
    }

    // ---- commit marker

    /** Writes the marker, its magic last: the entry is committed when this returns. */
    static void writeMarker(MemorySegment to, long offset, int payloadCrc, int headerCrc) {
        to.asSlice(0, MARKER_BYTES).fill((byte) 0);
        MARKER_OFFSET.set(to, 0L, offset);
        PAYLOAD_CRC.set(to, 0L, payloadCrc);
        HEADER_CRC.set(to, 0L, headerCrc);
        MARKER_CRC.set(to, 0L, markerCrc(to));
        MARKER_MAGIC_WORD.setRelease(to, 0L, MARKER_MAGIC);
    }

    /** Whether these bytes commit the entry at `offset` with that header. */
    static boolean commits(MemorySegment marker, long offset, MemorySegment entryHeader) {
        return (long) MARKER_MAGIC_WORD.getAcquire(marker, 0L) == MARKER_MAGIC
                && (long) MARKER_OFFSET.get(marker, 0L) == offset
                && (int) HEADER_CRC.get(marker, 0L) == (int) ENTRY_CRC.get(entryHeader, 0L)
                && (int) MARKER_CRC.get(marker, 0L) == markerCrc(marker);
    }

    static int payloadCrc(MemorySegment marker) {
        return (int) PAYLOAD_CRC.get(marker, 0L);
    }

    private static int markerCrc(MemorySegment marker) {
        CRC32C crc = new CRC32C();
        update(crc, marker.asSlice(8, MARKER_CRC_OFFSET - 8)); // not the magic, which comes last and is compared whole
        return (int) crc.getValue();
    }

    static boolean isZero(MemorySegment bytes) {
        long size = bytes.byteSize();
        if (size == 0) return true;
        if (bytes.get(ValueLayout.JAVA_BYTE, 0) != 0) return false;
        return MemorySegment.mismatch(bytes, 0, size - 1, bytes, 1, size) < 0; // each byte equals the next; vectorised
    }
}
