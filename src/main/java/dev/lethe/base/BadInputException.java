package dev.lethe.base;

import dev.lethe.LetheException;
import java.util.List;

/** {@link LetheException.Code#INPUT}, or CONFLICT. The message names what cannot be used and says what to do. */
public sealed class BadInputException extends LetheException {
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

    /** {@link Code#CONFLICT}: what was given would do at another time or place: somebody is at work in a run, or a folder is not free. */
    public static final class ConflictException extends BadInputException {
        private static final long serialVersionUID = 1;

        public ConflictException(String message) {
            super(Code.CONFLICT, message);
        }
    }
}
