package dev.lethe.engine;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;

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
