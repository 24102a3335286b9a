/* The end of work that several ranks share, for a reason that lies with another rank, or in the way between them. */
package dev.lethe.engine;

import dev.lethe.LetheException;

/** Another rank failed and said why, with its code; or it is lost (CANCELLED): it was killed, or does not answer. */
public final class RankException extends LetheException {
    private static final long serialVersionUID = 1;

    private final boolean lost;

    private RankException(Code code, String message, boolean lost, Throwable cause) {
        super(code, message, cause);
        this.lost = lost;
    }

    /** @param code and message of the rank that failed */
    public static RankException failed(Code code, String message) {
        return new RankException(code, message, false, null);
    }

    public static RankException lost(String message, Throwable cause) {
        return new RankException(Code.CANCELLED, message, true, cause);
    }

    /** Whether a rank is lost: then nobody knows what the others have done since. */
    public boolean lost() {
        return lost;
    }
}
