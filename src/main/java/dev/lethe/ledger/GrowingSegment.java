/*
 * The writer's side of one segment file: disk blocks are allocated ahead of use in steps that double from 1 MiB to
 * 64 MiB and mapped where native code is to write, into pages that are sure to exist, so that a full disk is an exception
 * here, never a fault there. Bytes that lie elsewhere are written instead: a page fault for every 4 KiB of a new file costs
 * three times the copy. What was allocated and not used is cut off when the segment is closed.
 */
package dev.lethe.ledger;

import dev.lethe.base.BadInputException;
import dev.lethe.base.FileSpace;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.base.Shred;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;

/** One segment being appended to. One thread at a time: the one that opened it, at last whichever closes it. */
final class GrowingSegment implements AutoCloseable {
    private static final long FIRST_STEP_BYTES = 1L << 20;
    private static final long LARGEST_STEP_BYTES = 1L << 26;

    /** Makes a range of a file exist on disk; {@link FileSpace#allocate}, or a test's own. */
    interface Allocation {
        void allocate(Path file, long offset, long bytes) throws IOException;
    }

    /** A mapped part of the file. */
    private record Piece(long start, MemorySegment bytes) {
        boolean holds(long from, long to) {
            return start <= from && to <= start + bytes.byteSize();
        }
    }

    private final int number;
    private final Path file;
    private final Allocation allocation;
    private final FileChannel channel;
    private final Arena arena = Arena.ofShared();
    private final List<Piece> pieces = new ArrayList<>();
    private long allocatedEnd;
    private long reservedEnd;
    private long committedEnd;
    private long syncedEnd;

    private GrowingSegment(int number, Path file, Allocation allocation, FileChannel channel, long end) {
        this.number = number;
        this.file = file;
        this.allocation = allocation;
        this.channel = channel;
        allocatedEnd = end;
        reservedEnd = end;
        committedEnd = end;
        syncedEnd = end;
    }

    /** A new, empty segment, after `firstEntry` entries in earlier ones. Its header is on disk when this returns. */
    static GrowingSegment create(LedgerFolder folder, int number, int identity, long firstEntry, Allocation allocation) {
        Path file = folder.segment(number);
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment header = scratch.allocate(SegmentLayout.SEGMENT_HEADER_BYTES, SegmentLayout.ALIGNMENT);
            SegmentLayout.writeSegmentHeader(header, number, identity, firstEntry);
            FileChannel channel = PrivateFiles.create(file);
            try {
                channel.write(header.asByteBuffer(), 0);
                channel.force(true);
                folder.sync();
                return new GrowingSegment(number, file, allocation, channel, SegmentLayout.SEGMENT_HEADER_BYTES);
            } catch (IOException e) {
                channel.close();
                folder.delete(file);
                throw e;
            }
        } catch (IOException e) {
            throw failed(file, SegmentLayout.SEGMENT_HEADER_BYTES, e);
        }
    }

    /** An existing segment whose last committed entry ends at `end`; what lies after is overwritten and cut off. */
    static GrowingSegment resume(LedgerFolder folder, int number, long end, Allocation allocation) {
        Path file = folder.segment(number);
        return Io.input("cannot write " + file, () -> {
            Shred.tail(file, end);
            FileChannel channel = PrivateFiles.open(file);
            channel.force(true); // the entries before may be a killed writer's, not on the disk yet
            return new GrowingSegment(number, file, allocation, channel, end);
        });
    }

    int number() {
        return number;
    }

    long reservedEnd() {
        return reservedEnd;
    }

    /** Whether nothing is committed in it. */
    boolean isEmpty() {
        return committedEnd == SegmentLayout.SEGMENT_HEADER_BYTES;
    }

    /** Whether an entry of that frame fits without passing the size limit; an empty segment takes any. */
    boolean takes(long frameBytes, long limit) {
        return reservedEnd == SegmentLayout.SEGMENT_HEADER_BYTES || reservedEnd + frameBytes <= limit;
    }

    /** Takes the next `bytes` of the file, blocks behind them; `limit` bounds how far ahead blocks are taken. */
    void take(long bytes, long limit) {
        long end = Math.addExact(reservedEnd, bytes);
        if (end > allocatedEnd) grow(end, limit);
        reservedEnd = end;
    }

    /** As {@link #take}, mapped. */
    MemorySegment reserve(long bytes, long limit) {
        long start = reservedEnd;
        take(bytes, limit);
        try {
            if (pieces.isEmpty() || !pieces.getLast().holds(start, reservedEnd)) // pieces may overlap, pages are shared
                pieces.add(new Piece(start, channel.map(MapMode.READ_WRITE, start, allocatedEnd - start, arena)));
        } catch (IOException e) {
            reservedEnd = start;
            throw failed(file, bytes, e);
        }
        Piece last = pieces.getLast();
        return last.bytes.asSlice(start - last.start, bytes, SegmentLayout.ALIGNMENT);
    }

    private void grow(long end, long limit) {
        long step = Math.clamp(allocatedEnd, FIRST_STEP_BYTES, LARGEST_STEP_BYTES);
        long generous = Math.max(end, Math.min(limit, allocatedEnd + step));
        try {
            try {
                allocation.allocate(file, allocatedEnd, generous - allocatedEnd);
            } catch (FileSpace.NoSpaceException noSpareRoom) {
                generous = end;
                allocation.allocate(file, allocatedEnd, end - allocatedEnd);
            }
            allocatedEnd = generous;
        } catch (IOException e) {
            throw failed(file, end - allocatedEnd, e);
        }
    }

    /** Puts bytes at a place that was taken. */
    void write(long offset, MemorySegment bytes) {
        try {
            for (long done = 0; done < bytes.byteSize(); ) {
                long part = Math.min(LARGEST_STEP_BYTES, bytes.byteSize() - done);
                done += channel.write(bytes.asSlice(done, part).asByteBuffer(), offset + done);
            }
        } catch (IOException e) {
            throw failed(file, bytes.byteSize(), e);
        }
    }

    /** Everything reserved so far is committed. */
    void committed() {
        committedEnd = reservedEnd;
    }

    /** Gives reserved and uncommitted bytes back, zeroed: a tail of zeros is no tail. */
    void discard() {
        if (reservedEnd == committedEnd) return;
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment zeros = scratch.allocate(Math.min(FIRST_STEP_BYTES, reservedEnd - committedEnd));
            for (long at = committedEnd; at < reservedEnd; at += zeros.byteSize())
                write(at, zeros.asSlice(0, Math.min(zeros.byteSize(), reservedEnd - at)));
        }
        reservedEnd = committedEnd;
    }

    /** Waits until all committed entries are on the disk. */
    void sync() throws IOException {
        if (syncedEnd == committedEnd) return;
        for (Piece piece : pieces) {
            long from = Math.max(syncedEnd, piece.start);
            long to = Math.min(committedEnd, piece.start + piece.bytes.byteSize());
            if (from < to) piece.bytes.asSlice(from - piece.start, to - from).force();
        }
        channel.force(true); // the file's length
        syncedEnd = committedEnd;
    }

    /**
     * Syncs, unmaps and cuts the file to its committed length; what was reserved behind it becomes zeros first. Once: a file
     * that an interrupt has closed was not synced, and is a failure.
     *
     * @throws BadInputException when the disk refuses
     */
    @Override
    public void close() {
        Io.input("cannot write " + file + " to disk", () -> closeFile());
    }

    private void closeFile() throws IOException {
        try (channel) {
            try {
                if (reservedEnd > committedEnd) {
                    discard();
                    channel.force(true);
                }
                sync();
            } finally {
                arena.close();
            }
            channel.truncate(committedEnd);
            channel.force(true);
        }
    }

    private static BadInputException failed(Path file, long bytes, IOException e) {
        if (e instanceof FileSpace.NoSpaceException)
            return new BadInputException("no room for " + bytes + " more bytes in " + file + ": " + Reason.of(e, file)
                    + ". What was committed so far stays readable; free space, or capture less (head_top_k=256, "
                    + "ledger_dtype=bf16, sites=embedding), and resume");
        return new BadInputException("cannot write " + file + ": " + Reason.of(e, file));
    }

    /**
     * What awaits a commit: room handed out, mapped, or an entry that is in the file up to its marker.
     *
     * @param frame     the whole entry's place; null when it is written
     * @param headerCrc of a written entry
     * @param bodyCrc   of a written entry's payload and padding, or under way
     * @param clear     the payload of one under a key, beside the file; null of others, and once its ciphertext is written
     */
    record PendingEntry(GrowingSegment segment, Entry entry, MemorySegment frame, int headerCrc, Future<Integer> bodyCrc,
            MemorySegment clear) {
        static PendingEntry room(GrowingSegment segment, Entry entry, MemorySegment frame) {
            return new PendingEntry(segment, entry, frame, 0, null, null);
        }

        static PendingEntry written(GrowingSegment segment, Entry entry, int headerCrc, Future<Integer> bodyCrc) {
            return new PendingEntry(segment, entry, null, headerCrc, bodyCrc, null);
        }

        PendingEntry filledFrom(MemorySegment payload) {
            return new PendingEntry(segment, entry, null, 0, null, payload);
        }

        PendingEntry sealedBy(Sealer sealer) {
            Sealer.Sealed sealed = sealer.seal(entry, clear);
            segment.write(entry.offset(), sealed.bytes());
            return written(segment, entry, sealed.headerCrc(), CompletableFuture.completedFuture(sealed.bodyCrc()));
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
}
