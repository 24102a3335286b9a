package dev.lethe.base;

import dev.lethe.LetheException;
import java.util.List;

/** {@link LetheException.Code#INPUT}, or CONFLICT. The message names what cannot be used and says what to do. */
public sealed class BadInputException extends LetheException permits ConflictException {
    private static final long serialVersionUID = 1;

    public BadInputException(String message) {
        this(message, (Throwable) null);
    }

    public BadInputException(String message, Throwable cause) {
        this(message, List.of(), cause);
    }

    /** @param fields settings at fault, by their names @param cause may be null */
    public BadInputException(String message, List<String> fields, Throwable cause) {
        super(Code.INPUT, message, fields, cause);
    }

    BadInputException(Code code, String message) {
        super(code, message, null);
    }
}
