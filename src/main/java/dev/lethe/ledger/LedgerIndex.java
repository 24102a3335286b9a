/*
 * The file `index`: every entry's header in one place, so that opening a cleanly closed ledger reads no segment but its
 * first 64 bytes. Written by close and destroy, removed before anything changes, never trusted unless the segments are
 * exactly as it says. Losing it costs a scan.
 *
 *   magic 8 | version 4 | identity 4 | segments 4 | entries 4
 *   segment* (number 4, 0 4, bytes 8, changes 8) | entry* 80 | crc 4
 */
package dev.lethe.ledger;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Reason;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.zip.CRC32C;

/** The ledger's table of contents as it was at the last clean close. */
record LedgerIndex(List<SegmentState> segments, List<Entry> entries) {
    private static final long MAGIC = 0x31584449_4548544CL; // "LTHEIDX1"
    private static final int HEADER_BYTES = 24;
    private static final int SEGMENT_BYTES = 24;
    private static final int ENTRY_BYTES = 80;
    private static final int DESTROYED = 1;
    private static final int ENCRYPTED = 2;

    /** A segment's number, length of its file, and count of destructions in it. */
    record SegmentState(int number, long bytes, long changes) {}

    /** Writes the index of a ledger at rest. Failing to costs only speed: it is logged. */
    static void rewrite(LedgerFolder folder, int identity, List<Entry> entries) {
        try {
            List<SegmentState> states = new ArrayList<>();
            for (int number : folder.segments()) states.add(stateOf(folder, number, identity));
            new LedgerIndex(states, entries).write(folder, identity);
        } catch (BadInputException | DamagedDataException e) {
            System.getLogger("dev.lethe.ledger").log(System.Logger.Level.WARNING, "no index was written", e);
        }
    }

    private void write(LedgerFolder folder, int identity) {
        long bytes = HEADER_BYTES + (long) segments.size() * SEGMENT_BYTES + (long) entries.size() * ENTRY_BYTES + 4;
        if (bytes > Integer.MAX_VALUE) return; // beyond 26 million entries opening scans
        ByteBuffer out = ByteBuffer.allocate((int) bytes).order(ByteOrder.LITTLE_ENDIAN);
        out.putLong(MAGIC).putInt(SegmentLayout.VERSION).putInt(identity);
        out.putInt(segments.size()).putInt(entries.size());
        for (SegmentState s : segments) out.putInt(s.number).putInt(0).putLong(s.bytes).putLong(s.changes);
        for (Entry entry : entries) {
            Entry.EntryHeader h = entry.header();
            out.putLong(h.key().high()).putLong(h.key().low()).putLong(h.step()).putDouble(h.learningRate());
            out.putDouble(h.weight()).putLong(entry.length()).putLong(entry.offset()).putInt(entry.segment());
            out.putInt(h.epoch()).putInt(h.tokens()).putInt(h.targets()).putInt(flags(entry));
            out.putInt(0);
        }
        out.putInt(crc(out.array(), out.position()));
        folder.write(folder.index(), out.array());
    }

    private static int flags(Entry entry) {
        return (entry.destroyed() ? DESTROYED : 0) | (entry.encrypted() ? ENCRYPTED : 0);
    }

    /**
     * The index, or empty when there is none, it does not hold together, or the segments have changed since.
     *
     * @throws DamagedDataException when the index holds together and a segment it lists is gone or cut short
     */
    static Optional<LedgerIndex> read(LedgerFolder folder, int identity) {
        byte[] bytes;
        try {
            bytes = Files.readAllBytes(folder.index());
        } catch (NoSuchFileException none) {
            return Optional.empty();
        } catch (IOException | OutOfMemoryError e) {
            return Optional.empty();
        }
        if (bytes.length < HEADER_BYTES + 4) return Optional.empty();
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        if (in.getInt(bytes.length - 4) != crc(bytes, bytes.length - 4) || in.getLong() != MAGIC
                || in.getInt() != SegmentLayout.VERSION || in.getInt() != identity) return Optional.empty();
        int segmentCount = in.getInt();
        int entryCount = in.getInt();
        long described = HEADER_BYTES + (long) segmentCount * SEGMENT_BYTES + (long) entryCount * ENTRY_BYTES + 4;
        if (segmentCount < 0 || entryCount < 0 || described != bytes.length) return Optional.empty();
        List<SegmentState> segments = new ArrayList<>(segmentCount);
        for (int i = 0; i < segmentCount; i++) {
            int number = in.getInt();
            in.getInt();
            segments.add(new SegmentState(number, in.getLong(), in.getLong()));
        }
        if (!current(folder, segments, identity)) return Optional.empty();
        Map<Integer, Long> ends = new HashMap<>();
        for (SegmentState segment : segments) ends.put(segment.number, segment.bytes);
        List<Entry> entries = new ArrayList<>(entryCount);
        for (int i = 0; i < entryCount; i++) {
            Entry entry = entry(in);
            if (entry == null) return Optional.empty();
            if (!ends.containsKey(entry.segment()) && !Files.exists(folder.segment(entry.segment())))
                throw new DamagedDataException(folder.segment(entry.segment())
                        + " is missing, the ledger's index lists entries in it");
            if (!within(entry, ends.getOrDefault(entry.segment(), 0L))) return Optional.empty();
            entries.add(entry);
        }
        return Optional.of(new LedgerIndex(segments, entries));
    }

    private static boolean within(Entry entry, long bytes) {
        return entry.offset() >= SegmentLayout.SEGMENT_HEADER_BYTES && entry.offset() % SegmentLayout.ALIGNMENT == 0
                && entry.length() >= 0 && entry.length() <= bytes
                && entry.offset() <= bytes - SegmentLayout.frameBytes(entry.length());
    }

    /**
     * Null when its numbers are impossible, or it is destroyed and has a key: Lethe once kept those, and then the segments have
     * them too.
     */
    private static Entry entry(ByteBuffer in) {
        Entry.RecordKey key = new Entry.RecordKey(in.getLong(), in.getLong());
        long step = in.getLong();
        double learningRate = in.getDouble();
        double weight = in.getDouble();
        long length = in.getLong();
        long offset = in.getLong();
        int segment = in.getInt();
        int epoch = in.getInt();
        int tokens = in.getInt();
        int targets = in.getInt();
        int flags = in.getInt();
        boolean destroyed = (flags & DESTROYED) != 0;
        in.getInt();
        if (destroyed && !key.equals(Entry.RecordKey.NONE)) return null;
        try {
            Entry.EntryHeader header = new Entry.EntryHeader(key, epoch, step, learningRate, weight, tokens, targets);
            return new Entry(header, segment, offset, length, (flags & ENCRYPTED) != 0, destroyed);
        } catch (IllegalArgumentException outOfRange) {
            return null;
        }
    }

    private static boolean current(LedgerFolder folder, List<SegmentState> listed, int identity) {
        List<Integer> present = folder.segments();
        boolean same = present.size() == listed.size();
        for (SegmentState expected : listed) {
            if (!present.contains(expected.number))
                throw new DamagedDataException(folder.segment(expected.number)
                        + " is missing, the ledger's index lists it");
            SegmentState found = stateOf(folder, expected.number, identity);
            if (found.bytes < expected.bytes)
                throw new DamagedDataException(folder.segment(expected.number) + " is cut off at byte " + found.bytes
                        + "; it had " + expected.bytes + " bytes when the ledger was closed");
            same &= found.equals(expected);
        }
        return same;
    }

    /** How a segment is now. */
    static SegmentState stateOf(LedgerFolder folder, int number, int identity) {
        try (FileChannel channel = FileChannel.open(folder.segment(number), StandardOpenOption.READ);
                Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(SegmentLayout.SEGMENT_HEADER_BYTES, SegmentLayout.ALIGNMENT);
            int got = LedgerFolder.read(channel, bytes.asByteBuffer(), 0);
            var header = got < bytes.byteSize() ? null : SegmentLayout.readSegmentHeader(bytes);
            if (header == null || header.number() != number || header.identity() != identity)
                throw new DamagedDataException(folder.segment(number) + " at byte 0: the segment's header does not "
                        + "match its checksum, its name or the ledger's manifest");
            return new SegmentState(number, channel.size(), header.changes());
        } catch (IOException e) {
            throw new BadInputException("cannot read " + folder.segment(number) + ": "
                    + Reason.of(e, folder.segment(number)));
        }
    }

    private static int crc(byte[] bytes, int length) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, length);
        return (int) crc.getValue();
    }
}
