package dev.lethe.engine;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;

/**
 * Where the entries of a batch's records go.
 *
 * @param format       what each entry holds
 * @param destinations one native, writable, 64-byte-aligned segment a record, each of at least
 *                     {@link LanguageModel#entryBytes} bytes; their arenas must stay open during the call
 */
public record Capture(EntryFormat format, List<MemorySegment> destinations) {
    public Capture {
        Objects.requireNonNull(format, "format");
        destinations = List.copyOf(destinations);
    }
}
