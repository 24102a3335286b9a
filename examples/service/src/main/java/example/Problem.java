package example;

import dev.lethe.base.BadInputException;
import dev.lethe.base.ConflictException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.EngineException;
import dev.lethe.base.GuardRefusedException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.base.TrainingFailedException;
import dev.lethe.run.PendingErasureException;
import tools.jackson.core.JacksonException;

/** What went wrong, as RFC 9457 has it; {@code detail} is Lethe's own message, which says what to do. */
record Problem(String type, String title, int status, String detail) {
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
            case Thrown own -> problem("request", "This cannot be done", own.status, own);
            case ConflictException _, PendingErasureException _ -> problem("conflict", "Something else is there or at work", 409, e);
            case BadInputException _, IllegalArgumentException _ -> problem("input", "The input cannot be used", 400, e);
            case JacksonException json -> new Problem("urn:lethe:input", "The request is not what is expected", 400,
                    json.getOriginalMessage());
            case GuardRefusedException _ -> problem("refused", "A guard refused the erasure, nothing was changed", 422, e);
            case TrainingFailedException _ -> problem("diverged", "The training's numbers are not finite", 422, e);
            case InterruptedWorkException _ -> problem("cancelled", "Cancelled", CANCELLED, e);
            case DamagedDataException _ -> problem("damaged", "Data on disk is damaged", 500, e);
            case EngineException engine -> switch (engine.status()) {
                case CANCELLED -> problem("cancelled", "Cancelled", CANCELLED, e);
                case OUT_OF_MEMORY -> problem("memory", "Out of memory", 503, e);
                default -> problem("engine", "The engine failed", 500, e);
            };
            default -> {
                System.getLogger("example").log(System.Logger.Level.ERROR, "internal error", e);
                yield new Problem("urn:lethe:internal", "Internal error", 500, "see the log");
            }
        };
    }

    private static Problem problem(String type, String title, int status, Throwable e) {
        return new Problem("urn:lethe:" + type, title, status, e.getMessage());
    }
}
