package dev.lethe.run;

import dev.lethe.LetheException;
import dev.lethe.base.Reason;

/** A run is not to be worked with, or an erasure not to be called done, before {@code lethe finish} has completed it. */
public final class PendingErasureException extends LetheException {
    private static final long serialVersionUID = 1;

    /** @param made the run that the erasure made */
    public PendingErasureException(RunFolder made, PendingErasure pending) {
        super(Code.DAMAGED, made + ": " + pending.left(made), null);
    }

    /** @param cause what it broke off with */
    public PendingErasureException(RunFolder made, PendingErasure pending, Throwable cause) {
        super(Code.DAMAGED, made + ": " + pending.left(made) + " (it broke off: " + Reason.of(cause) + ")", cause);
    }
}
