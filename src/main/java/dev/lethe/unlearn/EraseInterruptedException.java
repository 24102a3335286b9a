package dev.lethe.unlearn;

/** The erasing thread was interrupted. The source run is untouched and no new run was made. */
public final class EraseInterruptedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    EraseInterruptedException(String message) {
        super(message);
    }

    /** Takes the thread's interrupt, if there is one, and throws. */
    static void throwIfAsked() {
        if (Thread.interrupted()) {
            throw asked();
        }
    }

    static EraseInterruptedException asked() {
        return new EraseInterruptedException("the erasure was interrupted; the source run is as it was");
    }
}
