package dev.lethe.base;

/** {@link Code#CONFLICT}: what was given would do at another time or place: somebody is at work in a run, or a folder is not free. */
public final class ConflictException extends BadInputException {
    private static final long serialVersionUID = 1;

    public ConflictException(String message) {
        super(Code.CONFLICT, message);
    }
}
