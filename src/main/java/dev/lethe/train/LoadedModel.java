/* A training's model with its weights, configuration and tokenizer, from wherever they come. */
package dev.lethe.train;

import dev.lethe.engine.Dtype;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelShape;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.ModelSettings;
import dev.lethe.model.Tokenizer;
import java.nio.file.Path;

/** Owns the model and the tokenizer. Belongs to the thread that loaded it. */
record LoadedModel(LanguageModel model, ModelSettings config, Tokenizer tokenizer, Path tokenizerFolder)
        implements AutoCloseable {

    static LoadedModel load(Engine engine, ModelSource source, Dtype dtype, long seed) {
        return switch (source) {
            case ModelSource.Pretrained(Path folder) -> {
                Tokenizer tokenizer = Tokenizer.of(folder);
                ModelSettings config = Checkpoint.config(folder);
                yield new LoadedModel(Checkpoint.load(engine, folder, dtype), config, tokenizer, folder);
            }
            case ModelSource.Fresh(ModelShape shape, Path folder) -> {
                Tokenizer tokenizer = folder == null ? Tokenizer.gpt2() : Tokenizer.of(folder);
                ModelSettings config = ModelSettings.of(shape, tokenizer.endOfText()); // may refuse: before the model
                LanguageModel model = engine.model(shape, dtype);
                model.initialize(seed);
                yield new LoadedModel(model, config, tokenizer, folder);
            }
        };
    }

    /** Writes a Hugging Face folder in place of whatever is there. */
    void save(Path folder) {
        Checkpoint.save(model, config, folder, tokenizerFolder);
    }

    @Override
    public void close() {
        model.close();
        tokenizer.close();
    }
}
