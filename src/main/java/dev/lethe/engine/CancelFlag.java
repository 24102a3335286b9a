package dev.lethe.engine;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * The int that native loops poll. Its memory is the one shared piece of a model: any thread may raise it, the owner
 * lowers it before each call. Raising it after the owner closed does nothing.
 */
final class CancelFlag implements AutoCloseable {
    private static final VarHandle VALUE = ValueLayout.JAVA_INT.varHandle();

    private final Arena arena = Arena.ofShared();
    private final MemorySegment flag = arena.allocate(ValueLayout.JAVA_INT);
    private boolean closed; // guarded by this

    /** The lowered flag, to pass to a call that starts now. */
    MemorySegment lowered() {
        VALUE.setVolatile(flag, 0L, 0);
        return flag;
    }

    synchronized void raise() {
        if (!closed) {
            VALUE.setVolatile(flag, 0L, 1);
        }
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            arena.close();
        }
    }
}
