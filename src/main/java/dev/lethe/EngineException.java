package dev.lethe;

/** A native call failed. The message is "operation: what the native side said". */
public final class EngineException extends LetheException {
    private static final long serialVersionUID = 1;

    private final Status status;

    public EngineException(Status status, String message) {
        this(status, message, null);
    }

    public EngineException(Status status, String message, Throwable cause) {
        super(message, cause);
        this.status = status;
    }

    /** The class of the failure. */
    public Status status() {
        return status;
    }
}
