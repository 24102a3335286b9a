package dev.lethe.engine;

import dev.lethe.LetheException;

/**
 * The processes that train one model together, as each of them sees it. All ranks make the same calls in the same order; a call
 * returns when all have made theirs. One that fails leaves a group that refuses all but close. One thread at a time, which
 * {@link #own} makes the calling one.
 */
public interface RankGroup extends AutoCloseable {
    /** This process, and no other. */
    RankGroup ALONE = new RankGroup() {
        @Override
        public int rank() {
            return 0;
        }

        @Override
        public int size() {
            return 1;
        }

        @Override
        public void own() {
            // Nobody else has it.
        }

        @Override
        public void sum(ParameterVector vector) {
            // The sum of one.
        }

        @Override
        public byte[][] gather(byte[] own) {
            return new byte[][] {own.clone()};
        }

        @Override
        public void close() {
            // Holds nothing.
        }
    };

    /** 0 to size - 1. */
    int rank();

    int size();

    /** Makes it the calling thread's. */
    void own();

    /** vector = the sum over ranks, in the vector's dtype; the same bits on every rank. @throws RankException when a rank is lost */
    void sum(ParameterVector vector);

    /**
     * Every rank's bytes, in the order of ranks.
     *
     * @param own 1 byte or more, as many on every rank
     * @throws RankException when a rank is lost, or this one is interrupted and the others do not come within half a second
     */
    byte[][] gather(byte[] own);

    /** Leaves the group; waits for the other ranks to do so, unless it has failed. */
    @Override
    void close();

    /** Another rank failed and said why, with its code; or it is lost (CANCELLED): it was killed, or does not answer. */
    final class RankException extends LetheException {
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
}
