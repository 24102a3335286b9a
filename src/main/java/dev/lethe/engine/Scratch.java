package dev.lethe.engine;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A reused block of native memory in its owner's arena. It grows by doubling, so that a steady state allocates nothing
 * and all outgrown blocks together are smaller than the last one.
 */
final class Scratch {
    private static final long ALIGNMENT = 64;

    private final Arena arena;
    private MemorySegment block = MemorySegment.NULL;

    Scratch(Arena arena) {
        this.arena = arena;
    }

    /** The block, at least {@code bytes} long; its content is unspecified. */
    MemorySegment atLeast(long bytes) {
        if (block.byteSize() < bytes) {
            block = arena.allocate(Math.max(Math.max(bytes, 2 * block.byteSize()), ALIGNMENT), ALIGNMENT);
        }
        return block;
    }
}
