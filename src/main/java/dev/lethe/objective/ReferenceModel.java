/* A model of its own with the weights that another has now: what an objective measures its distance from. */
package dev.lethe.objective;

import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;

final class ReferenceModel {
    private ReferenceModel() { }

    /** The caller closes it. Holds a model's weights and gradients again; of adapters theirs. */
    static LanguageModel of(Engine engine, LanguageModel model) {
        LanguageModel reference = engine.like(model);
        try {
            reference.buffer(Buffer.PARAMETERS).assign(model.buffer(Buffer.PARAMETERS));
            return reference;
        } catch (Throwable e) {
            reference.close();
            throw e;
        }
    }
}
