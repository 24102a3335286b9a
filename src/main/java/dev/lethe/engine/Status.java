package dev.lethe.engine;

import dev.lethe.bindings.LetheNative;
import java.util.function.IntSupplier;

/** Why a native call failed; mirrors {@code lethe_status} of native/include/lethe.h. */
public enum Status {
    /** An argument is out of range; the message names it, its value and what is allowed. */
    INVALID_ARGUMENT(LetheNative::LETHE_INVALID_ARGUMENT),
    OUT_OF_MEMORY(LetheNative::LETHE_OUT_OF_MEMORY),
    /** Device, dtype or feature absent from this build or machine. */
    UNSUPPORTED(LetheNative::LETHE_UNSUPPORTED),
    /** A loss, gradient or factor is NaN or infinite; the message names where. */
    NOT_FINITE(LetheNative::LETHE_NOT_FINITE),
    /** {@link LanguageModel#cancel()} was called during the call. */
    CANCELLED(LetheNative::LETHE_CANCELLED),
    /** A ledger entry does not parse. */
    DAMAGED(LetheNative::LETHE_DAMAGED),
    INTERNAL(LetheNative::LETHE_INTERNAL);

    /** Asked when needed: the bindings can be read only where native code may be, and a message about that has a status too. */
    private final IntSupplier code;

    Status(IntSupplier code) {
        this.code = code;
    }

    /** The status of a failed call; a code this version does not know is {@link #INTERNAL}. */
    static Status of(int code) {
        for (Status status : values()) {
            if (status.code.getAsInt() == code) {
                return status;
            }
        }
        return INTERNAL;
    }
}
