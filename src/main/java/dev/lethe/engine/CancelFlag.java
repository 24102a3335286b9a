package dev.lethe.engine;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * The int that native loops poll. Any thread may raise it, the owner lowers it before each call. Raising it after the owner
 * closed does nothing.
 */
final class CancelFlag {
    private static final VarHandle VALUE = ValueLayout.JAVA_INT.varHandle();

    private final OwnedMemory memory;
    private final MemorySegment flag;

    CancelFlag(OwnedMemory memory) {
        this.memory = memory;
        flag = memory.arena().allocate(ValueLayout.JAVA_INT);
    }

    /** The lowered flag, to pass to a call that starts now. */
    MemorySegment lowered() {
        memory.check();
        VALUE.setVolatile(flag, 0L, 0);
        Work.starts(this);
        return flag;
    }

    void raise() {
        synchronized (memory) { // it cannot be closed meanwhile
            if (memory.isOpen()) {
                VALUE.setVolatile(flag, 0L, 1);
            }
        }
    }
}
