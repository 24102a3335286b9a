package dev.lethe.engine;

import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * Checks of caller-supplied segments before a pointer is passed: liveness, thread, place, size, alignment and, because
 * asReadOnly does not survive the boundary, permission to write.
 */
final class Memory {
    /** Alignment of captured entries, bytes. */
    static final long ENTRY_ALIGNMENT = 64;

    private Memory() {
    }

    /** A segment that native code will fill with {@code bytes}. */
    static MemorySegment destination(String operation, MemorySegment segment, long bytes) {
        source(operation, segment, bytes);
        if (segment.isReadOnly()) {
            throw new IllegalArgumentException(operation + ": the destination is read-only");
        }
        return segment;
    }

    /** A segment of which native code will read {@code bytes}. */
    static MemorySegment source(String operation, MemorySegment segment, long bytes) {
        Objects.requireNonNull(segment, "segment");
        if (!segment.isNative()) {
            throw new IllegalArgumentException(operation + ": the segment is on the Java heap; use an arena's or a"
                    + " mapped one");
        }
        if (segment.byteSize() < bytes) {
            throw new IllegalArgumentException(operation + ": the segment has " + segment.byteSize() + " bytes, "
                    + bytes + " are needed");
        }
        if (!segment.scope().isAlive()) {
            throw new IllegalStateException(operation + ": the segment's arena is closed");
        }
        if (!segment.isAccessibleBy(Thread.currentThread())) {
            throw new WrongThreadException(operation + ": the segment is confined to another thread");
        }
        return segment;
    }

    /** An entry's segment: its address travels inside a struct, where the JDK cannot check it. */
    static long entry(String operation, MemorySegment segment, int index, boolean write) {
        String which = operation + ": entry " + index;
        long address = (write ? destination(which, segment, 0) : source(which, segment, 0)).address();
        if (address % ENTRY_ALIGNMENT != 0) {
            throw new IllegalArgumentException(which + " is not aligned to " + ENTRY_ALIGNMENT + " bytes");
        }
        return address;
    }

    /** A range of elements within a buffer of {@code limit}. */
    static void range(String operation, long offset, long count, long limit) {
        if (offset < 0 || count < 0 || offset > limit - count) {
            throw new IllegalArgumentException(operation + ": elements " + offset + " to " + offset + " + " + count
                    + " are outside the buffer of " + limit);
        }
    }
}
