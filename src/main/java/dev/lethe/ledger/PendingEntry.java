package dev.lethe.ledger;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.Future;

/**
 * What awaits a commit: room handed out, mapped, or an entry that is in the file up to its marker.
 *
 * @param frame     the whole entry's place; null when it is written
 * @param headerCrc of a written entry
 * @param bodyCrc   of a written entry's payload and padding, or under way
 */
record PendingEntry(GrowingSegment segment, Entry entry, MemorySegment frame, int headerCrc, Future<Integer> bodyCrc) {
    static PendingEntry room(GrowingSegment segment, Entry entry, MemorySegment frame) {
        return new PendingEntry(segment, entry, frame, 0, null);
    }

    static PendingEntry written(GrowingSegment segment, Entry entry, int headerCrc, Future<Integer> bodyCrc) {
        return new PendingEntry(segment, entry, null, headerCrc, bodyCrc);
    }

    /** Makes it an entry: its marker comes last. */
    void commit() {
        if (frame == null) mark();
        else fillIn();
    }

    private void mark() {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment marker = scratch.allocate(SegmentLayout.MARKER_BYTES, SegmentLayout.ALIGNMENT);
            SegmentLayout.writeMarker(marker, entry.offset(), WriterThreads.await(bodyCrc), headerCrc);
            segment.write(entry.offset() + SegmentLayout.ENTRY_HEADER_BYTES + SegmentLayout.padded(entry.length()), marker);
        }
    }

    private void fillIn() {
        SegmentLayout.writeEntryHeader(frame, entry);
        if (entry.destroyed()) return; // a destroyed entry has no marker
        long body = SegmentLayout.padded(entry.length());
        int payloadCrc = SegmentLayout.crc(frame.asSlice(SegmentLayout.ENTRY_HEADER_BYTES, body));
        MemorySegment marker = frame.asSlice(SegmentLayout.ENTRY_HEADER_BYTES + body);
        SegmentLayout.writeMarker(marker, entry.offset(), payloadCrc, SegmentLayout.headerCrc(frame));
    }
}
