package dev.lethe;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * All that Lethe throws about its users' input, its files, its engine and its work; {@link #code} says who can do what about
 * it. Misuse of the API by a program stays with the JDK's own: IllegalArgumentException, IllegalStateException.
 */
public abstract class LetheException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** What kind of thing went wrong. */
    public enum Code {
        /** Something given cannot be used here: a file, a line, a setting, a device, a rate that diverges, more memory than there is. */
        INPUT(2),
        /** An erasure would not reach its reference or break a guard; nothing was changed. */
        REFUSED(3),
        /** Work was cancelled or its caller interrupted; the message says how things were left. */
        CANCELLED(2),
        /** What was given is right and would do at another time or place: a run is in use, a folder is not free. */
        CONFLICT(2),
        /** What is on disk is not whole: not what was written, or of an erasure that is still to be finished. */
        DAMAGED(4),
        /** A native call failed by a fault that is Lethe's own. */
        ENGINE(70);

        private final int exit;

        Code(int exit) {
            this.exit = exit;
        }

        /** {@return the exit code of the command} */
        public int exit() {
            return exit;
        }
    }

    private final Code code;
    private final String remedy;
    private final List<String> fields;

    /** @param cause may be null */
    protected LetheException(Code code, String message, @Nullable Throwable cause) {
        this(code, message, List.of(), cause);
    }

    /**
     * @param fields settings at fault
     * @param cause  may be null
     */
    protected LetheException(Code code, String message, List<String> fields, @Nullable Throwable cause) {
        super(message, cause);
        this.code = code;
        this.fields = List.copyOf(fields);
        int end = message != null && message.indexOf('\n') < 0 && fields.size() < 2 ? message.lastIndexOf("; ") : -1;
        this.remedy = end < 0 ? "" : message.substring(end + 2);
    }

    /** {@return what kind of thing went wrong} */
    public Code code() {
        return code;
    }

    /**
     * {@return what to do, as the message says it after its last semicolon; empty where it says nothing, or lists several problems of
     * {@link #fields}}
     */
    public String remedy() {
        return remedy;
    }

    /**
     * {@return the settings that are at fault, by their names in {@code lethe settings}, such as {@code batch}; often none}
     */
    public List<String> fields() {
        return fields;
    }
}
