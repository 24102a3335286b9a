package dev.lethe.ledger;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.Reason;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.StandardOpenOption;
import java.util.function.BiFunction;
import java.util.zip.CRC32C;

/** Reads payloads by positional reads to judge them; for checks and recovery, where a mapping might fault. */
final class PayloadReader implements AutoCloseable {
    private final LedgerFolder folder;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment block = arena.allocate(1 << 18, SegmentLayout.ALIGNMENT);
    private final MemorySegment header = arena.allocate(SegmentLayout.ENTRY_HEADER_BYTES, SegmentLayout.ALIGNMENT);
    private final MemorySegment marker = arena.allocate(SegmentLayout.MARKER_BYTES, SegmentLayout.ALIGNMENT);
    private FileChannel channel;
    private int number = -1;

    PayloadReader(LedgerFolder folder) {
        this.folder = folder;
    }

    /** Whether a live entry's header, marker and payload are all as they were committed. */
    boolean holds(Entry entry) {
        open(entry.segment());
        long body = SegmentLayout.padded(entry.length());
        long start = entry.offset() + SegmentLayout.ENTRY_HEADER_BYTES;
        if (!fill(header, entry.offset()) || !fill(marker, start + body)) return false;
        if (!entry.equals(SegmentLayout.readEntryHeader(header, entry.segment(), entry.offset()))
                || !SegmentLayout.commits(marker, entry.offset(), header)) return false;
        CRC32C crc = new CRC32C();
        for (long at = 0; at < body; at += block.byteSize()) {
            ByteBuffer bytes = block.asByteBuffer().limit((int) Math.min(block.byteSize(), body - at));
            LedgerFolder.read(channel, bytes, start + at);
            if (bytes.hasRemaining()) return false;
            crc.update(bytes.flip());
        }
        return (int) crc.getValue() == SegmentLayout.payloadCrc(marker);
    }

    /** A live entry's whole frame, mapped, and zeroed memory for its payload that is zeroed again afterwards. */
    <T> T unsealed(Entry entry, BiFunction<MemorySegment, MemorySegment, T> use) {
        open(entry.segment());
        try (Arena own = Arena.ofConfined()) {
            long bytes = SegmentLayout.frameBytes(entry.length());
            MemorySegment frame = channel.map(FileChannel.MapMode.READ_ONLY, entry.offset(), bytes, own);
            MemorySegment room = own.allocate(entry.payloadBytes(), SegmentLayout.ALIGNMENT);
            try {
                return use.apply(frame, room);
            } finally {
                room.fill((byte) 0);
            }
        } catch (IOException e) {
            throw new BadInputException("cannot read segment " + entry.segment() + ": " + Reason.of(e), e);
        }
    }

    /** Whether nothing is left of a destroyed entry's key, payload and marker. */
    boolean isGone(Entry entry) {
        open(entry.segment());
        if (!fill(header, entry.offset()) || SegmentLayout.hasKey(header)) return false;
        long body = SegmentLayout.frameBytes(entry.length()) - SegmentLayout.ENTRY_HEADER_BYTES;
        long start = entry.offset() + SegmentLayout.ENTRY_HEADER_BYTES;
        for (long at = 0; at < body; at += block.byteSize()) {
            ByteBuffer bytes = block.asByteBuffer().limit((int) Math.min(block.byteSize(), body - at));
            int got = LedgerFolder.read(channel, bytes, start + at);
            if (!SegmentLayout.isZero(block.asSlice(0, got))) return false;
        }
        return true;
    }

    private boolean fill(MemorySegment to, long position) {
        return LedgerFolder.read(channel, to.asByteBuffer(), position) == to.byteSize();
    }

    private void open(int segment) {
        if (segment == number) return;
        closeChannel();
        Io.input("cannot read segment " + segment, () -> {
            channel = FileChannel.open(folder.segment(segment), StandardOpenOption.READ);
            number = segment;
        });
    }

    private void closeChannel() {
        try {
            if (channel != null) channel.close();
        } catch (IOException e) {
            System.getLogger("dev.lethe.ledger").log(System.Logger.Level.DEBUG, "cannot close a segment", e);
        }
        number = -1;
    }

    @Override
    public void close() {
        closeChannel();
        arena.close();
    }
}
