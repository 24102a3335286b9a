package dev.lethe;

/**
 * The root of what Lethe throws about its users' input, its files, its engine and its work. Misuse of the API by a program
 * stays with the JDK's own: IllegalArgumentException, IllegalStateException, WrongThreadException.
 */
public abstract class LetheException extends RuntimeException {
    private static final long serialVersionUID = 1;

    protected LetheException(String message) {
        super(message);
    }

    protected LetheException(String message, Throwable cause) {
        super(message, cause);
    }
}
