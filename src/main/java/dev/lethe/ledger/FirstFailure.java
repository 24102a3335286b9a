package dev.lethe.ledger;

import dev.lethe.BadInputException;
import dev.lethe.base.Reason;

/**
 * What left it open what of a writer's ledger is on the disk. Kept, for neither a later sync that succeeds nor a close mends
 * it. One thread.
 */
final class FirstFailure {
    private final String what;
    private Throwable first;

    /** @param what failed, such as "writing the ledger x" */
    FirstFailure(String what) {
        this.what = what;
    }

    /** Does it; its failure is kept and thrown. */
    void orKeep(Runnable action) {
        try {
            action.run();
        } catch (Throwable e) {
            keep(e);
            throw e;
        }
    }

    /** Does it; its failure is kept for {@link #requireNone}. */
    void attempt(Runnable action) {
        try {
            action.run();
        } catch (Throwable e) {
            keep(e);
        }
    }

    private void keep(Throwable e) {
        if (first == null) first = e;
        else if (first != e) first.addSuppressed(e);
    }

    /** @throws BadInputException when there was one; a new exception every time, for none can suppress itself */
    void requireNone() {
        if (first != null) throw new BadInputException(what + " failed: " + Reason.of(first), first);
    }
}
