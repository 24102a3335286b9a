package dev.lethe.ledger;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Payloads of entries, for as long as they are needed: those of a ledger in the clear are views of its files, those under keys
 * lie decrypted in native memory, which is zeroed and freed by {@link #close}. Any thread, closed by one when no other and
 * no native call reads them; not after their ledger.
 */
public final class Payloads implements AutoCloseable {
    private final List<MemorySegment> list;
    private final Arena arena; // null when nothing was decrypted
    private final MemorySegment decrypted;

    private Payloads(List<MemorySegment> list, Arena arena, MemorySegment decrypted) {
        this.list = list;
        this.arena = arena;
        this.decrypted = decrypted;
    }

    /** What makes an entry's payload. */
    interface Reader {
        /** @param room of payloadBytes for one under a key; null for one in the clear, which is given as it lies */
        MemorySegment read(Entry entry, MemorySegment room);
    }

    static Payloads of(List<Entry> entries, Reader reader) {
        long bytes = entries.stream().filter(Entry::encrypted).mapToLong(entry -> SegmentLayout.padded(entry.payloadBytes())).sum();
        if (bytes == 0) return new Payloads(entries.stream().map(entry -> reader.read(entry, null)).toList(), null, null);
        Arena arena = Arena.ofShared();
        Payloads read = new Payloads(new ArrayList<>(entries.size()), arena, arena.allocate(bytes, SegmentLayout.ALIGNMENT));
        try {
            long at = 0;
            for (Entry entry : entries) {
                MemorySegment room = entry.encrypted()
                        ? read.decrypted.asSlice(at, entry.payloadBytes(), SegmentLayout.ALIGNMENT) : null;
                read.list.add(reader.read(entry, room).asReadOnly());
                if (room != null) at += SegmentLayout.padded(room.byteSize());
            }
            return read;
        } catch (Throwable e) {
            read.close();
            throw e;
        }
    }

    /** As {@link GradientLedger#payload}, in the order that was asked for. */
    public List<MemorySegment> list() {
        return list;
    }

    /** Idempotent. */
    @Override
    public void close() {
        if (arena == null || !arena.scope().isAlive()) return;
        decrypted.fill((byte) 0);
        arena.close();
    }
}
