/* A training's model with its weights, configuration and tokenizer, from wherever they come. */
package dev.lethe.train;

import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.ModelSettings;
import dev.lethe.model.Tokenizer;
import dev.lethe.settings.Lora;
import dev.lethe.settings.ModelSource;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.nio.file.Path;

/** Owns the model and the tokenizer. Belongs to the thread that loaded it. */
record LoadedModel(LanguageModel model, ModelSettings config, Tokenizer tokenizer, Path tokenizerFolder)
        implements AutoCloseable {

    static LoadedModel load(Engine engine, ModelSource source, Dtype dtype, long seed) {
        Path folder = switch (source) {
            case ModelSource.Pretrained(Path checkpoint, Path base) -> Checkpoint.tokenizer(checkpoint, base);
            case ModelSource.Adapted(Path base, Lora _) -> Checkpoint.tokenizer(base, base);
            case ModelSource.Fresh(ModelShape _, Path tokenizer) -> tokenizer;
        };
        Tokenizer tokenizer = folder == null ? Tokenizer.gpt2() : Tokenizer.of(folder);
        try {
            ModelSettings config = switch (source) { // may refuse: before the model
                case ModelSource.Pretrained(Path checkpoint, Path base) -> Checkpoint.config(checkpoint, base);
                case ModelSource.Adapted(Path base, Lora lora) -> Checkpoint.adapted(base, lora);
                case ModelSource.Fresh(ModelShape shape, Path _) -> ModelSettings.of(shape, tokenizer.endOfText());
            };
            LanguageModel model = switch (source) {
                case ModelSource.Pretrained(Path checkpoint, Path base) -> Checkpoint.load(engine, checkpoint, base, dtype);
                case ModelSource.Adapted(Path base, Lora _) -> Checkpoint.adapt(engine, base, config, dtype);
                case ModelSource.Fresh(ModelShape shape, Path _) -> engine.model(shape, dtype);
            };
            if (!(source instanceof ModelSource.Pretrained)) {
                model.initialize(seed);
            }
            return new LoadedModel(model, config, tokenizer, folder);
        } catch (Throwable e) {
            tokenizer.close();
            throw e;
        }
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
