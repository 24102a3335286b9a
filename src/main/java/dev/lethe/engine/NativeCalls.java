package dev.lethe.engine;

import dev.lethe.LetheException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.EngineException;
import dev.lethe.base.EngineException.Status;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.bindings.LetheNative;
import dev.lethe.bindings.lethe_error;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Threshold;

/**
 * The one wrapper of downcalls. Its owner writes
 * {@code calls.done("operation", LetheNative.lethe_x(handle, ..., calls.begin()))}: Java evaluates begin() last before
 * the call, so the event times the call alone, and nothing is allocated unless the call fails. One thread at a time.
 */
final class NativeCalls {
    private static final int UNCHANGED = -1;

    private final OwnedMemory memory; // null: of one method, on its thread
    private final int threads;        // that a call takes
    private final MemorySegment error;
    private final NativeCallEvent event = new NativeCallEvent();

    /** For a method's own calls. */
    NativeCalls(Arena arena) {
        this(null, arena, UNCHANGED);
    }

    /** For a method's own calls that take this many threads, 0 = one a core. */
    NativeCalls(Arena arena, int threads) {
        this(null, arena, threads);
    }

    /** For calls on what this memory holds: refused on another thread and after close. */
    NativeCalls(OwnedMemory memory) {
        this(memory, memory.arena(), memory.threads());
    }

    private NativeCalls(OwnedMemory memory, Arena arena, int threads) {
        this.memory = memory;
        this.threads = threads;
        error = lethe_error.allocate(arena);
        lethe_error.struct_size(error, lethe_error.sizeof());
    }

    /** The error struct to pass as the call's last argument. */
    MemorySegment begin() {
        if (memory != null) {
            memory.check();
        }
        if (threads != UNCHANGED) {
            // OpenMP's count is the calling thread's, and which thread calls changes; a virtual one cannot change its carrier in between.
            LetheNative.lethe_set_threads(threads, MemorySegment.NULL);
        }
        event.begin();
        return error;
    }

    /**
     * Tests a call's status. Called on this object, it also keeps the memory from the garbage collector during the call.
     *
     * @throws DamagedDataException     when a ledger entry does not parse
     * @throws InterruptedWorkException when an interrupt has cancelled the call
     * @throws EngineException          for every other failure
     */
    void done(String operation, int status) {
        event.end();
        if (event.shouldCommit()) {
            event.function = operation;
            event.commit();
        }
        if (status != LetheNative.LETHE_OK()) {
            throw failure(operation, status(status));
        }
    }

    /** A code this version does not know is {@link Status#INTERNAL}. */
    private static Status status(int code) {
        if (code == LetheNative.LETHE_INVALID_ARGUMENT()) {
            return Status.INVALID_ARGUMENT;
        }
        if (code == LetheNative.LETHE_OUT_OF_MEMORY()) {
            return Status.OUT_OF_MEMORY;
        }
        if (code == LetheNative.LETHE_UNSUPPORTED()) {
            return Status.UNSUPPORTED;
        }
        if (code == LetheNative.LETHE_NOT_FINITE()) {
            return Status.NOT_FINITE;
        }
        if (code == LetheNative.LETHE_CANCELLED()) {
            return Status.CANCELLED;
        }
        return code == LetheNative.LETHE_DAMAGED() ? Status.DAMAGED : Status.INTERNAL;
    }

    private LetheException failure(String operation, Status status) {
        String message = operation + ": " + lethe_error.message(error).getString(0);
        if (status == Status.CANCELLED && Work.interrupted()) {
            return new InterruptedWorkException("interrupted during " + operation);
        }
        return status == Status.DAMAGED ? new DamagedDataException(message) : new EngineException(status, message);
    }

    /** Flight-recorder event of a native call that took over 1 ms. */
    @Name("dev.lethe.NativeCall")
    @Label("Native Call")
    @Description("A call into Lethe's native library")
    @Category("Lethe")
    @Threshold("1 ms")
    @StackTrace(false)
    static final class NativeCallEvent extends Event {
        @Label("Function")
        String function;
    }
}
