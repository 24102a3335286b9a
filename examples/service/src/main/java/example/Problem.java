package example;

import dev.lethe.LetheException;
import java.util.List;
import java.util.Locale;
import tools.jackson.core.JacksonException;

/** What went wrong, as RFC 9457 has it; {@code detail} is Lethe's own message, {@code fields} the settings at fault. */
record Problem(String type, String title, int status, String detail, List<String> fields) {
    /** Of no status code that is registered: nginx's for a client that went away. */
    static final int CANCELLED = 499;

    /** A problem of the service's own. */
    static final class Thrown extends RuntimeException {
        private static final long serialVersionUID = 1;
        private final int status;

        Thrown(int status, String message) {
            super(message);
            this.status = status;
        }
    }

    static Problem of(Throwable e) {
        return switch (e) {
            case Thrown own -> problem("request", "This cannot be done", own.status, own.getMessage());
            case LetheException known -> {
                String type = known.code().name().toLowerCase(Locale.ROOT);
                yield switch (known.code()) {
                    case INPUT -> of(known, type, "The input cannot be used", 400);
                    case CONFLICT -> of(known, type, "Something else is there or at work", 409);
                    case REFUSED -> of(known, type, "Refused, nothing was changed", 422);
                    case CANCELLED -> of(known, type, "Cancelled", CANCELLED);
                    case DAMAGED -> of(known, type, "What is on disk is not whole", 500);
                    case ENGINE -> of(known, type, "The engine failed", 500);
                };
            }
            case JacksonException json -> problem("input", "The request is not what is expected", 400, json.getOriginalMessage());
            case IllegalArgumentException wrong -> problem("input", "The input cannot be used", 400, wrong.getMessage());
            default -> {
                System.getLogger("example").log(System.Logger.Level.ERROR, "internal error", e);
                yield problem("internal", "Internal error", 500, "see the log");
            }
        };
    }

    private static Problem of(LetheException e, String type, String title, int status) {
        return new Problem("urn:lethe:" + type, title, status, e.getMessage(), e.fields());
    }

    private static Problem problem(String type, String title, int status, String detail) {
        return new Problem("urn:lethe:" + type, title, status, detail, List.of());
    }
}
