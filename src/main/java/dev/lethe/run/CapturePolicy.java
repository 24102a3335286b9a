/* Which epochs leave gradients in the ledger. */
package dev.lethe.run;

/**
 * LAST: each record as the last whole epoch met it, nearest to the trained weights; FIRST: as it was first seen (Zagardo
 * 2024); ALL: every epoch, for TracIn-like sums; NONE: no ledger.
 */
public enum CapturePolicy {
    LAST, FIRST, ALL, NONE;

    /**
     * Whether the gradients of an epoch are captured.
     *
     * @param epoch  counted from 0
     * @param epochs whole epochs that the training makes; 0 when it ends within its first
     */
    public boolean captures(long epoch, long epochs) {
        return switch (this) {
            case LAST -> epoch == Math.max(0, epochs - 1);
            case FIRST -> epoch == 0;
            case ALL -> true;
            case NONE -> false;
        };
    }
}
