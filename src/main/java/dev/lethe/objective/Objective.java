package dev.lethe.objective;

import static dev.lethe.settings.Parameter.FORGET_WEIGHT;
import static dev.lethe.settings.Parameter.RETAIN_WEIGHT;

import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
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

    /** Its numbers. */
    Tuning tuning();

    /** Whether it looks at retain records. */
    default boolean usesRetain() {
        return retainWeight() > 0;
    }

    /** Gamma. */
    default double forgetWeight() {
        return tuning().get(FORGET_WEIGHT);
    }

    /** Alpha; 0 where there is no such term. */
    default double retainWeight() {
        return tuning().has(RETAIN_WEIGHT) ? tuning().get(RETAIN_WEIGHT) : 0;
    }

    @Override
    default void close() { }

    /**
     * A model of its own with the weights that another has now: what an objective measures its distance from. The
     * caller closes it. Holds a model's weights and gradients again; of adapters theirs.
     */
    static LanguageModel copy(Engine engine, LanguageModel model) {
        LanguageModel copy = engine.like(model);
        try {
            copy.buffer(Buffer.PARAMETERS).assign(model.buffer(Buffer.PARAMETERS));
            return copy;
        } catch (Throwable e) {
            copy.close();
            throw e;
        }
    }
}
