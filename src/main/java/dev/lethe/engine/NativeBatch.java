package dev.lethe.engine;

import dev.lethe.bindings.lethe_batch;
import dev.lethe.engine.OwnedMemory.Scratch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The reused native form of a {@link Batch}: one copy in, no allocation once it has seen the largest batch. */
final class NativeBatch {
    private final MemorySegment struct;
    private final Scratch offsets;
    private final Scratch tokens;
    private final Scratch targets;
    private final Scratch weights;

    NativeBatch(OwnedMemory memory) {
        struct = lethe_batch.allocate(memory.arena());
        lethe_batch.struct_size(struct, lethe_batch.sizeof());
        offsets = new Scratch(memory);
        tokens = new Scratch(memory);
        targets = new Scratch(memory);
        weights = new Scratch(memory);
    }

    /** The struct, valid until the next call. */
    MemorySegment fill(Batch batch) {
        MemorySegment rows = offsets.atLeast((long) batch.offsets.length * Long.BYTES);
        lethe_batch.records(struct, batch.records());
        lethe_batch.tokens_total(struct, batch.tokens.length);
        MemorySegment.copy(batch.offsets, 0, rows, ValueLayout.JAVA_LONG, 0, batch.offsets.length);
        lethe_batch.offsets(struct, rows);
        lethe_batch.tokens(struct, tokens.of(batch.tokens));
        lethe_batch.targets(struct, batch.targets == null ? MemorySegment.NULL : targets.of(batch.targets));
        lethe_batch.weights(struct, batch.weights == null ? MemorySegment.NULL : weights.of(batch.weights));
        return struct;
    }
}
