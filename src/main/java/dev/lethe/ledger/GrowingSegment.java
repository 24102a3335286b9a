/*
 * The writer's side of one segment file: disk blocks are allocated ahead of use, in steps that double from 1 MiB to 128 MiB,
 * the next one beside the writer's thread, and mapped, so that a full disk is an exception here, never a fault in a page
 * that was to be written. What was allocated and not used is cut off when the segment is closed.
 */
package dev.lethe.ledger;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.FileSpace;
import dev.lethe.engine.PrivateFiles;
import dev.lethe.engine.Reason;
import dev.lethe.engine.Shred;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;

/** One segment being appended to. One thread at a time: the one that opened it, at last whichever closes it. */
final class GrowingSegment implements AutoCloseable {
    private static final long FIRST_STEP_BYTES = 1L << 20;
    private static final long LARGEST_STEP_BYTES = 1L << 27;

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
    private final WriterThreads threads;
    private final Arena arena = Arena.ofShared();
    private final List<Piece> pieces = new ArrayList<>();
    private long allocatedEnd;
    private long aheadEnd;
    private Future<Void> ahead; // allocates from allocatedEnd to aheadEnd; one that failed stays, and is the last
    private long reservedEnd;
    private long committedEnd;
    private long syncedEnd;

    private GrowingSegment(
            int number, Path file, Allocation allocation, FileChannel channel, WriterThreads threads, long end) {
        this.number = number;
        this.file = file;
        this.allocation = allocation;
        this.channel = channel;
        this.threads = threads;
        allocatedEnd = end;
        reservedEnd = end;
        committedEnd = end;
        syncedEnd = end;
    }

    /** A new, empty segment, after `firstEntry` entries in earlier ones. Its header is on disk when this returns. */
    static GrowingSegment create(LedgerFolder folder, int number, int identity, long firstEntry, Allocation allocation,
            WriterThreads threads) {
        Path file = folder.segment(number);
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment header = scratch.allocate(SegmentLayout.SEGMENT_HEADER_BYTES, SegmentLayout.ALIGNMENT);
            SegmentLayout.writeSegmentHeader(header, number, identity, firstEntry);
            FileChannel channel = PrivateFiles.create(file);
            try {
                channel.write(header.asByteBuffer(), 0);
                channel.force(true);
                folder.sync();
                return new GrowingSegment(number, file, allocation, channel, threads,
                        SegmentLayout.SEGMENT_HEADER_BYTES);
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
    static GrowingSegment resume(
            LedgerFolder folder, int number, long end, Allocation allocation, WriterThreads threads) {
        Path file = folder.segment(number);
        try {
            Shred.tail(file, end);
            FileChannel channel = PrivateFiles.open(file);
            channel.force(true); // the entries before may be a killed writer's, not on the disk yet
            return new GrowingSegment(number, file, allocation, channel, threads, end);
        } catch (IOException e) {
            throw new BadInputException("cannot write " + file + ": " + Reason.of(e, file));
        }
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

    /** The next `bytes` of the file, mapped, blocks behind them; `limit` bounds how far ahead blocks are taken. */
    MemorySegment reserve(long bytes, long limit) {
        long start = reservedEnd;
        long end = Math.addExact(start, bytes);
        if (end > allocatedEnd) grow(end, limit);
        try {
            if (pieces.isEmpty() || !pieces.getLast().holds(start, end)) // pieces may overlap, pages are shared
                pieces.add(new Piece(start, channel.map(MapMode.READ_WRITE, start, allocatedEnd - start, arena)));
        } catch (IOException e) {
            throw failed(file, bytes, e);
        }
        reservedEnd = end;
        allocateAhead(limit);
        Piece last = pieces.getLast();
        return last.bytes.asSlice(start - last.start, bytes, SegmentLayout.ALIGNMENT);
    }

    private long step() {
        return Math.clamp(allocatedEnd, FIRST_STEP_BYTES, LARGEST_STEP_BYTES);
    }

    /** Begins the next step when less than one is left. What fails there is tried again, and told, when it is needed. */
    private void allocateAhead(long limit) {
        long from = allocatedEnd;
        long end = Math.min(limit, from + step());
        if (ahead != null || reservedEnd + step() <= from || end <= from) return;
        aheadEnd = end;
        ahead = threads.allocate(() -> {
            allocation.allocate(file, from, end - from);
            return null;
        });
    }

    private void awaitAhead() {
        if (ahead == null || !WriterThreads.settle(ahead)) return;
        allocatedEnd = aheadEnd;
        ahead = null;
    }

    private void grow(long end, long limit) {
        awaitAhead();
        if (end <= allocatedEnd) return;
        long generous = Math.max(end, Math.min(limit, allocatedEnd + step()));
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

    /** Everything reserved so far is committed. */
    void committed() {
        committedEnd = reservedEnd;
    }

    /** Gives reserved and uncommitted bytes back, zeroed: a tail of zeros is no tail. */
    void discard() {
        if (reservedEnd == committedEnd) return;
        try {
            ByteBuffer zeros = ByteBuffer.allocateDirect((int) Math.min(FIRST_STEP_BYTES, reservedEnd - committedEnd));
            for (long at = committedEnd; at < reservedEnd; )
                at += channel.write(zeros.clear().limit((int) Math.min(zeros.capacity(), reservedEnd - at)), at);
        } catch (IOException e) {
            throw failed(file, reservedEnd - committedEnd, e);
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
        try {
            closeFile();
        } catch (IOException | UncheckedIOException e) {
            throw new BadInputException("cannot write " + file + " to disk: " + Reason.of(e), e);
        }
    }

    private void closeFile() throws IOException {
        awaitAhead();
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
}
