package dev.lethe.unlearn;

/** The erasing thread was interrupted. The source run is untouched and no new run was made. */
public final class EraseInterruptedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    EraseInterruptedException(String message) {
        super(message);
    }
}
