package dev.lethe.engine;

import java.lang.foreign.MemorySegment;

/**
 * A reused block of native memory of its owner's. It grows by doubling, so that a steady state allocates nothing
 * and all outgrown blocks together are smaller than the last one.
 */
final class Scratch {
    private static final long ALIGNMENT = 64;

    private final OwnedMemory memory;
    private MemorySegment block = MemorySegment.NULL;

    Scratch(OwnedMemory memory) {
        this.memory = memory;
    }

    /** The block, at least {@code bytes} long; its content is unspecified. */
    MemorySegment atLeast(long bytes) {
        memory.check();
        if (block.byteSize() < bytes) {
            block = memory.arena().allocate(Math.max(Math.max(bytes, 2 * block.byteSize()), ALIGNMENT), ALIGNMENT);
        }
        return block;
    }
}
