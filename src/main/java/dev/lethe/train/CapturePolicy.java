/* Which epochs leave gradients in the ledger. */
package dev.lethe.train;

/** FIRST: each record as it was first seen (Zagardo 2024); ALL: every epoch, for TracIn-like sums; NONE: no ledger. */
public enum CapturePolicy {
    FIRST, ALL, NONE;

    /** Whether the gradients of this 1-based epoch are captured. */
    public boolean captures(int epoch) {
        return this == ALL || this == FIRST && epoch == 1;
    }
}
