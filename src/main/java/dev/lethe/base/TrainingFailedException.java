/* The end of a training whose numbers went wrong. */
package dev.lethe.base;

import dev.lethe.LetheException;

/**
 * A loss or gradient stopped being finite. The message names the step and the record; the run can be resumed from its
 * last checkpoint, which was written while the numbers were still finite.
 */
public final class TrainingFailedException extends LetheException {
    private static final long serialVersionUID = 1;

    public TrainingFailedException(String message, Throwable cause) {
        super(Code.INPUT, message, cause);
    }
}
