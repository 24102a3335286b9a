package dev.lethe.unlearn;

/** Watches an erasure. Called on the erasing thread; must return soon. Every method does nothing unless overridden. */
public interface EraseListener {
    /** A listener that ignores everything. */
    EraseListener NONE = new EraseListener() { };

    /** The erasure has begun a stretch of work, such as "contrast" or "relearning probe". */
    default void stage(String name) { }

    /** A move was made (or taken back). {@code target} is the forget loss to reach. */
    default void step(EraseStep step, double target) { }
}
