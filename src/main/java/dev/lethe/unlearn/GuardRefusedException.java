package dev.lethe.unlearn;

/**
 * An erasure was not carried out because it could not reach its reference, or only by breaking a utility guard. Nothing was
 * changed. The message says the figures and which option would allow it.
 */
public final class GuardRefusedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** With the figures. */
    public GuardRefusedException(String message) {
        super(message);
    }
}
