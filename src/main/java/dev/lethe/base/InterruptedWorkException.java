package dev.lethe.base;

import dev.lethe.LetheException;

/**
 * Work ended before it was done because the thread that asked for it was interrupted. The message says how things were
 * left. The thread's interrupt flag is set: Lethe clears it nowhere.
 */
public final class InterruptedWorkException extends LetheException {
    private static final long serialVersionUID = 1;

    public InterruptedWorkException(String message) {
        super(Code.CANCELLED, message, null);
    }

    public InterruptedWorkException(String message, Throwable cause) {
        super(Code.CANCELLED, message, cause);
    }
}
