/*
 * Finds the committed entries of one segment by walking its headers and markers; payloads are not read. It reads with
 * positional reads, not through a mapping, so a writer that trims the file meanwhile cannot fault it.
 *
 * Where the walk meets something that is no committed entry, it looks for one further on. None: the rest is a tail that
 * an interrupted writer left. One: the place is damaged. Entries are committed in file order, so a place before a
 * committed entry is looked at twice before it is called damaged: a live writer may have finished it in between.
 */
package dev.lethe.ledger;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.ledger.LedgerCheck.Damage;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/** The walk over one segment file. */
final class SegmentScan implements AutoCloseable {
    private static final int WINDOW_BYTES = 4096;
    private static final int SEARCH_BYTES = 1 << 20;

    /**
     * What a segment holds.
     *
     * @param header   null when the writer was killed before the segment had one
     * @param end      of the last committed entry
     * @param tailZero nothing but zeros after {@code end}
     */
    record Result(int number, SegmentLayout.SegmentHeader header, List<Entry> entries, long end, long fileBytes,
            boolean tailZero, List<Damage> damage) {}

    private final int number;
    private final FileChannel channel;
    private final long size;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment window = arena.allocate(WINDOW_BYTES, SegmentLayout.ALIGNMENT);
    private final MemorySegment headerCopy = arena.allocate(SegmentLayout.ENTRY_HEADER_BYTES, SegmentLayout.ALIGNMENT);
    private MemorySegment search;
    private long windowStart;
    private int windowBytes;

    private SegmentScan(LedgerFolder folder, int number) throws IOException {
        this.number = number;
        channel = FileChannel.open(folder.segment(number), StandardOpenOption.READ);
        size = channel.size();
    }

    /** @throws BadInputException when the file cannot be read or another version wrote it */
    static Result scan(LedgerFolder folder, int number, int identity) {
        return Io.input("cannot read segment " + number, () -> {
            try (SegmentScan scan = new SegmentScan(folder, number)) {
                return scan.walk(identity);
            }
        });
    }

    private Result walk(int identity) {
        List<Entry> entries = new ArrayList<>();
        List<Damage> damage = new ArrayList<>();
        MemorySegment first = at(0, SegmentLayout.SEGMENT_HEADER_BYTES);
        boolean unborn = first == null || SegmentLayout.isZero(first);
        if (unborn && nextEntry(SegmentLayout.SEGMENT_HEADER_BYTES) < 0)
            return new Result(number, null, entries, 0, size, isZeroFrom(0), damage);
        var header = unborn ? null : SegmentLayout.readSegmentHeader(first);
        if (header == null) damage.add(broken(0, "the segment's header does not match its checksum"));
        else check(header, identity, damage);
        long at = SegmentLayout.SEGMENT_HEADER_BYTES;
        long doubted = -1;
        while (true) {
            Entry entry = committed(at);
            if (entry != null) {
                entries.add(entry);
                at += SegmentLayout.frameBytes(entry.length());
                continue;
            }
            long next = nextEntry(at + SegmentLayout.ALIGNMENT);
            if (next < 0) break;
            if (doubted == at) {
                damage.add(broken(at, "an entry's header or commit marker does not match its checksum"));
                at = next;
            } else {
                doubted = at;
            }
            windowBytes = 0; // read the place again
        }
        return new Result(number, header, entries, at, size, isZeroFrom(at), damage);
    }

    private void check(SegmentLayout.SegmentHeader header, int identity, List<Damage> damage) {
        if (header.version() != SegmentLayout.VERSION)
            throw new BadInputException(LedgerFolder.segmentName(number) + " was written in ledger format "
                    + header.version() + "; this version reads format " + SegmentLayout.VERSION
                    + ". Open it with the version that made it");
        if (header.number() != number)
            damage.add(broken(0, "this is segment " + header.number() + " under another name"));
        if (header.identity() != identity)
            damage.add(broken(0, "the segment belongs to a ledger with another manifest"));
    }

    /** The committed entry that starts here, or null. */
    private Entry committed(long offset) {
        MemorySegment header = at(offset, SegmentLayout.ENTRY_HEADER_BYTES);
        Entry entry = header == null ? null : SegmentLayout.readEntryHeader(header, number, offset);
        if (entry == null || offset + SegmentLayout.frameBytes(entry.length()) > size) return null;
        if (entry.destroyed()) return entry;
        headerCopy.copyFrom(header); // the window may move on to the marker
        long marker = offset + SegmentLayout.frameBytes(entry.length()) - SegmentLayout.MARKER_BYTES;
        MemorySegment bytes = at(marker, SegmentLayout.MARKER_BYTES);
        return bytes != null && SegmentLayout.commits(bytes, offset, headerCopy) ? entry : null;
    }

    /** The next place at or after `from` where a committed entry starts, or -1. */
    private long nextEntry(long from) {
        for (long start = from; start < size; start += SEARCH_BYTES) {
            MemorySegment block = block(start);
            for (long at = 0; at + 8 <= block.byteSize(); at += SegmentLayout.ALIGNMENT)
                if (SegmentLayout.looksLikeEntry(block, at) && committed(start + at) != null) return start + at;
        }
        return -1;
    }

    private boolean isZeroFrom(long from) {
        for (long start = from; start < size; start += SEARCH_BYTES)
            if (!SegmentLayout.isZero(block(start))) return false;
        return true;
    }

    /** Up to SEARCH_BYTES of the file from `start`. Valid until the next call. */
    private MemorySegment block(long start) {
        if (search == null) search = arena.allocate(Math.min(SEARCH_BYTES, size), SegmentLayout.ALIGNMENT);
        return search.asSlice(0, LedgerFolder.read(channel, search.asByteBuffer(), start));
    }

    /** These bytes of the file, or null when it ends before them. Valid until the next call. */
    private MemorySegment at(long offset, long bytes) {
        if (offset < windowStart || offset + bytes > windowStart + windowBytes) {
            windowStart = offset;
            windowBytes = LedgerFolder.read(channel, window.asByteBuffer(), offset);
        }
        return bytes <= windowBytes ? window.asSlice(offset - windowStart, bytes) : null;
    }

    private Damage broken(long offset, String what) {
        return new Damage(LedgerFolder.segmentName(number), offset, what);
    }

    @Override
    public void close() throws IOException {
        arena.close();
        channel.close();
    }
}
