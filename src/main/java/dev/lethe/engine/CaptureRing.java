package dev.lethe.engine;

import dev.lethe.bindings.LetheNative;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.util.List;

/**
 * Pinned memory through which captured gradients leave a device while training goes on: {@link LanguageModel#gradient}
 * with a {@link Capture#through} puts a batch's entries on their way, and {@link #take} hands the oldest ones over.
 *
 * <p>Made and closed by the model's thread, and closed before the model; {@link #take} belongs to one other thread. When
 * every slot is on its way, the model's thread waits for it.
 */
public final class CaptureRing implements AutoCloseable {
    private final OwnedMemory memory = new OwnedMemory("the capture ring");
    private final MemorySegment handle;

    CaptureRing(MemorySegment model, long slots, long slotBytes) {
        try {
            NativeCalls calls = new NativeCalls(memory);
            MemorySegment out = memory.arena().allocate(ValueLayout.ADDRESS);
            calls.done("create capture ring",
                    LetheNative.lethe_ring_create(model, slots, slotBytes, out, calls.begin()));
            handle = out.get(ValueLayout.ADDRESS, 0).reinterpret(memory.arena(), LetheNative::lethe_ring_destroy);
        } catch (Throwable e) {
            memory.close();
            throw e;
        }
    }

    MemorySegment handle() {
        return handle;
    }

    /**
     * Waits for the oldest capture under way and copies its entries; its slot is free afterwards, also on failure.
     *
     * @param destinations as {@link Capture} wants them, one a record of that batch
     * @throws EngineException NOT_FINITE when a factor is not finite
     */
    public void take(List<MemorySegment> destinations) {
        int count = destinations.size();
        try (Arena own = Arena.ofConfined()) {
            NativeCalls calls = new NativeCalls(own);
            MemorySegment where = own.allocate(ValueLayout.JAVA_LONG, Math.max(1, count));
            MemorySegment size = own.allocate(ValueLayout.JAVA_LONG, Math.max(1, count));
            for (int b = 0; b < count; b++) {
                where.setAtIndex(ValueLayout.JAVA_LONG, b, Memory.entry("take", destinations.get(b), b, true));
                size.setAtIndex(ValueLayout.JAVA_LONG, b, destinations.get(b).byteSize());
            }
            calls.done("take capture", LetheNative.lethe_ring_take(handle, count, where, size, calls.begin()));
            Reference.reachabilityFence(this);
        }
    }

    /** Drops the oldest capture under way. */
    public void drop() {
        take(List.of());
    }

    /** A gradient call holds the ring by an address within a struct, so only the thread that makes such calls may. */
    @Override
    public void close() {
        memory.close();
    }
}
