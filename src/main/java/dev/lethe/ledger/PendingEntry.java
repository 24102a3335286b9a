package dev.lethe.ledger;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.Future;

/**
 * What awaits a commit: an entry's place in a mapped segment, filled by whoever reserved it or from memory elsewhere.
 *
 * @param bodyCrc of payload and padding, when they are copied there: under way; else null, and computed at the commit
 */
record PendingEntry(Entry entry, MemorySegment frame, Future<Integer> bodyCrc) {
    static MemorySegment bodyOf(Entry entry, MemorySegment frame) {
        return frame.asSlice(SegmentLayout.ENTRY_HEADER_BYTES, SegmentLayout.padded(entry.length()));
    }

    /** Makes it an entry: its marker comes last. */
    void commit() {
        SegmentLayout.writeEntryHeader(frame, entry);
        if (entry.destroyed()) return; // a destroyed entry has no marker
        int payloadCrc = bodyCrc != null ? WriterThreads.await(bodyCrc) : SegmentLayout.crc(bodyOf(entry, frame));
        MemorySegment marker = frame.asSlice(SegmentLayout.ENTRY_HEADER_BYTES + SegmentLayout.padded(entry.length()));
        SegmentLayout.writeMarker(marker, entry.offset(), payloadCrc, SegmentLayout.headerCrc(frame));
    }
}
