package dev.lethe.objective;

import dev.lethe.text.Example;
import java.util.List;

/**
 * A loss whose descent forgets: some sum over a batch of forget records and one of retain records. One file an
 * implementation. Not thread-safe; used on the erasing thread.
 */
public interface Objective extends AutoCloseable {
    /**
     * Overwrites the model's gradient buffer with the gradient at the weights of now.
     *
     * @param forget records of the forget set, at least one
     * @param retain records of the retain set; empty where {@link #usesRetain} says no
     * @return the objective's value
     */
    double gradient(List<Example> forget, List<Example> retain);

    /** Whether it looks at retain records. */
    boolean usesRetain();

    @Override
    default void close() { }
}
