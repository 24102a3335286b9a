package dev.lethe;

/**
 * Something the user gave cannot be used: a file, a line, an option, a device. The message names it and says what to
 * do. The command ends with exit code 2.
 */
public sealed class BadInputException extends LetheException permits ConflictException {
    private static final long serialVersionUID = 1;

    public BadInputException(String message) {
        super(message);
    }

    public BadInputException(String message, Throwable cause) {
        super(message, cause);
    }
}
