package dev.lethe.strategy;

import dev.lethe.LetheException;
import dev.lethe.settings.FixedRate;

/**
 * An erasure was not carried out because it could not reach its reference, or only by breaking a utility guard. Nothing was
 * changed. The message says the figures and which option would allow it.
 */
public final class GuardRefusedException extends LetheException {
    private static final long serialVersionUID = 1;

    /** With the figures. */
    public GuardRefusedException(String message) {
        super(message);
    }

    static GuardRefusedException notFinite(FixedRate fixed, int steps) {
        return new GuardRefusedException("erasure refused, nothing was changed: after " + steps + " of the steps " + fixed
                + " the numbers are no longer finite; take a lower rate or fewer steps");
    }
}
