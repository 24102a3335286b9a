package dev.lethe.results;

import java.util.function.DoubleSupplier;

/**
 * Watches an erasure. Called on the erasing thread, which is Lethe's own while the caller of the erasure waits; must return
 * soon. Every method does nothing unless overridden.
 */
public interface EraseListener {
    /** A listener that ignores everything. */
    EraseListener NONE = new EraseListener() { };

    /**
     * The erasure has begun a stretch of work, such as "contrast" or "relearning probe".
     *
     * @param name in a word or two
     */
    default void stage(String name) { }

    /**
     * A move was made (or taken back). {@code target} is the forget loss to reach.
     *
     * @param step what was done
     * @param target forget loss to reach, nats a token
     */
    default void step(EraseStep step, double target) { }

    /**
     * The same, with what may be asked about the weights of now.
     *
     * @param influence mean |&lt;g_i, v&gt;| of the forget records as {@link InfluenceChange} has it, summed over the
     *     sites; costs a
     *                  gradient of the forget set each time it is asked; NaN when there are no stored gradients
     * @param step what was done
     * @param target forget loss to reach, nats a token
     */
    default void step(EraseStep step, double target, DoubleSupplier influence) {
        step(step, target);
    }
}
