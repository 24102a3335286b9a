package dev.lethe.base;

import dev.lethe.LetheException;

/**
 * An erasure was not carried out because it could not reach its reference, or only by breaking a utility guard. Nothing was
 * changed. The message says the figures and which setting would allow it.
 */
public final class GuardRefusedException extends LetheException {
    private static final long serialVersionUID = 1;

    /** With the figures. */
    public GuardRefusedException(String message) {
        super(Code.REFUSED, message, null);
    }
}
