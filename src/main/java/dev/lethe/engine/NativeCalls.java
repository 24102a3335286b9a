package dev.lethe.engine;

import dev.lethe.bindings.LetheNative;
import dev.lethe.bindings.lethe_error;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The one wrapper of downcalls. Its owner writes
 * {@code calls.done("operation", LetheNative.lethe_x(handle, ..., calls.begin()))}: Java evaluates begin() last before
 * the call, so the event times the call alone, and nothing is allocated unless the call fails. One thread at a time.
 */
final class NativeCalls {
    private final MemorySegment error;
    private final NativeCallEvent event = new NativeCallEvent();

    /** The error struct lives in the owner's arena. */
    NativeCalls(Arena arena) {
        error = lethe_error.allocate(arena);
        lethe_error.struct_size(error, lethe_error.sizeof());
    }

    /** The error struct to pass as the call's last argument. */
    MemorySegment begin() {
        event.begin();
        return error;
    }

    /**
     * Tests a call's status.
     *
     * @throws DamagedDataException when a ledger entry does not parse
     * @throws EngineException      for every other failure
     */
    void done(String operation, int status) {
        event.end();
        if (event.shouldCommit()) {
            event.function = operation;
            event.commit();
        }
        if (status != LetheNative.LETHE_OK()) {
            throw failure(operation, Status.of(status));
        }
    }

    private RuntimeException failure(String operation, Status status) {
        String message = operation + ": " + lethe_error.message(error).getString(0);
        return status == Status.DAMAGED ? new DamagedDataException(message) : new EngineException(status, message);
    }
}
