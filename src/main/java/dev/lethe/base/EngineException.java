package dev.lethe.base;

import dev.lethe.LetheException;
import java.util.function.DoubleSupplier;

/** A native call failed. The message is "operation: what the native side said". */
public final class EngineException extends LetheException {
    private static final long serialVersionUID = 1;

    private final Status status;

    public EngineException(Status status, String message) {
        this(status, message, null);
    }

    public EngineException(Status status, String message, Throwable cause) {
        super(code(status), message, cause);
        this.status = status;
    }

    private static Code code(Status status) {
        return switch (status) {
            case UNSUPPORTED, OUT_OF_MEMORY, NOT_FINITE -> Code.INPUT;
            case CANCELLED -> Code.CANCELLED;
            case DAMAGED -> Code.DAMAGED;
            case INVALID_ARGUMENT, INTERNAL -> Code.ENGINE;
        };
    }

    /** A loss; infinite where a step has left no number. */
    public static double orInfinite(DoubleSupplier loss) {
        try {
            return loss.getAsDouble();
        } catch (EngineException e) {
            if (e.status == Status.NOT_FINITE) {
                return Double.POSITIVE_INFINITY;
            }
            throw e;
        }
    }

    /** The class of the failure. */
    public Status status() {
        return status;
    }

    /** Why a native call failed; mirrors {@code lethe_status} of native/include/lethe.h. */
    public enum Status {
        /** An argument is out of range; the message names it, its value and what is allowed. */
        INVALID_ARGUMENT,
        OUT_OF_MEMORY,
        /** Device, dtype or feature absent from this build or machine. */
        UNSUPPORTED,
        /** A loss, gradient or factor is NaN or infinite; the message names where. */
        NOT_FINITE,
        /** The model was told to cancel during the call. */
        CANCELLED,
        /** A ledger entry does not parse. */
        DAMAGED,
        INTERNAL
    }
}
