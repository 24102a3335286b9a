package dev.lethe.engine;

import dev.lethe.base.EngineException;
import dev.lethe.bindings.LetheNative;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * Pinned memory through which captured gradients leave a device while training goes on: {@link LanguageModel#gradient}
 * with a {@link Capture#through} puts a batch's entries on their way, and {@link #take} hands the oldest ones over.
 *
 * <p>Made and closed by the model's thread, and closed before the model; {@link #take} belongs to one other thread. When
 * every slot is on its way, the model's thread waits for it.
 */
public final class CaptureRing implements AutoCloseable {
    private final OwnedMemory memory;
    private final MemorySegment handle;

    /** @param threads that a take uses, as the model's calls do; 0 = one a core */
    CaptureRing(MemorySegment model, int threads, long slots, long slotBytes) {
        memory = new OwnedMemory("the capture ring", threads);
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
     * Waits for the oldest capture under way and hands its entries over: one read-only segment a record, in pinned memory
     * that is the reader's until it returns. The slot is free afterwards, also on failure.
     *
     * @throws EngineException NOT_FINITE when a factor is not finite
     */
    public void take(int records, Consumer<List<MemorySegment>> reader) {
        try (Arena own = Arena.ofConfined()) {
            NativeCalls calls = new NativeCalls(own, memory.threads()); // not the memory's: another thread's than its owner's
            MemorySegment where = own.allocate(ValueLayout.ADDRESS, records);
            MemorySegment sizes = own.allocate(ValueLayout.JAVA_LONG, records);
            calls.done("take capture", LetheNative.lethe_ring_take(handle, records, where, sizes, calls.begin()));
            List<MemorySegment> entries = new ArrayList<>(records);
            for (int b = 0; b < records; b++) {
                entries.add(where.getAtIndex(ValueLayout.ADDRESS, b)
                        .reinterpret(sizes.getAtIndex(ValueLayout.JAVA_LONG, b)).asReadOnly());
            }
            try {
                reader.accept(entries);
            } finally {
                drop();
            }
        }
    }

    /** Drops the oldest capture under way. */
    public void drop() {
        try (Arena own = Arena.ofConfined()) {
            NativeCalls calls = new NativeCalls(own);
            calls.done("release capture", LetheNative.lethe_ring_release(handle, calls.begin()));
            Reference.reachabilityFence(this);
        }
    }

    /** A gradient call holds the ring by an address within a struct, so only the thread that makes such calls may. */
    @Override
    public void close() {
        memory.close();
    }

    /**
     * Where the entries of a batch's records go.
     *
     * @param format       what each entry holds
     * @param destinations one native, writable, 64-byte-aligned segment a record, each of at least
     *                     {@link CapturedEntries#bytes} bytes; their arenas must stay open during the call; none with a ring
     * @param ring         through which they leave a device instead, or null
     */
    public record Capture(EntryFormat format, List<MemorySegment> destinations, CaptureRing ring) {
        public Capture {
            Objects.requireNonNull(format, "format");
            destinations = List.copyOf(destinations);
        }

        public Capture(EntryFormat format, List<MemorySegment> destinations) {
            this(format, destinations, null);
        }

        /** Entries that leave through a ring; whoever calls {@link CaptureRing#take} gets them. */
        public static Capture through(CaptureRing ring, EntryFormat format) {
            return new Capture(format, List.of(), Objects.requireNonNull(ring, "ring"));
        }
    }
}
