package dev.lethe;

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
