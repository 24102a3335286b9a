package dev.lethe.model;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Dtype;
import dev.lethe.engine.Engine;
import dev.lethe.engine.FolderLinks;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.Reason;
import dev.lethe.engine.TensorInfo;
import dev.lethe.engine.Work;
import dev.lethe.model.WeightFiles.Weight;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A model as a Hugging Face folder: config.json, safetensors weights (one file or shards), tokenizer files. Loading maps
 * the files and copies each weight once, into the model. Saving is {@link CheckpointWriter}'s work.
 */
public final class Checkpoint {
    static final String CONFIG = "config.json";

    private Checkpoint() {
    }

    /** Whether this is meant to be a model folder: it has a config.json or a weight file. It may still not load. */
    public static boolean isCheckpoint(Path folder) {
        return List.of(CONFIG, WeightFiles.SINGLE, WeightFiles.INDEX).stream()
                .anyMatch(name -> Files.isRegularFile(folder.resolve(name)));
    }

    /** @throws BadInputException when config.json is absent, broken or describes a model Lethe does not run */
    public static ModelSettings config(Path folder) {
        if (!Files.isDirectory(folder)) {
            throw new BadInputException(folder + (Files.exists(folder) ? ": not a folder" : ": no such folder")
                    + "; give a Hugging Face model folder");
        }
        FolderLinks.requireInside(folder, folder.resolve(CONFIG));
        return ModelSettings.read(folder.resolve(CONFIG));
    }

    /**
     * Loads a folder. Names may go without their prefix ({@code transformer.}, {@code model.}), weights may be F32, F16,
     * BF16 or F64, buffers are ignored, of a tied head and its table one is enough and both must be equal.
     *
     * @param dtype F32, or F64 for tests
     * @return a model of the calling thread, which closes it
     * @throws BadInputException with everything that is missing, extra, mis-shaped or not finite
     */
    public static LanguageModel load(Engine engine, Path folder, Dtype dtype) {
        return Work.run("load", () -> read(engine, folder, dtype));
    }

    private static LanguageModel read(Engine engine, Path folder, Dtype dtype) {
        ModelSettings config = config(folder);
        try (WeightFiles files = WeightFiles.open(folder, config.type())) {
            Map<String, Weight> weights = new WeightCheck(folder, config).check(files.weights());
            LanguageModel model = engine.model(config.shape(), dtype);
            try {
                for (TensorInfo info : model.tensors()) {
                    Work.check(folder + ": reading the model was interrupted");
                    Weight weight = weights.get(info.name());
                    model.buffer(Buffer.PARAMETERS).load(info, weight.tensor().dtype().orElseThrow(), weight.file().file(),
                            weight.tensor().begin());
                }
                return model;
            } catch (Throwable e) {
                model.close();
                throw e;
            }
        }
    }

    /**
     * Writes a folder that transformers loads as it is: F32 weights under transformers' names, config.json, tokenizer
     * files. All of it is written and forced to disk under other names first, so that a kill at any moment leaves either
     * what was there or the whole new model.
     *
     * @param tokenizerFrom folder whose tokenizer files are kept; null, or a folder without any, writes GPT-2's own when
     *                      the model has GPT-2's vocabulary and none otherwise
     * @throws BadInputException when the folder cannot be written; nothing is left behind then
     */
    public static void save(LanguageModel model, ModelSettings config, Path folder, Path tokenizerFrom) {
        Work.run("save", () -> CheckpointWriter.write(model, config, folder, tokenizerFrom));
    }

    /** SHA-256, lower-case hex, over names and bytes of what a model is used by besides its weights: config and tokenizer. */
    public static String settingsHash(Path folder) {
        StringBuilder lines = new StringBuilder();
        try {
            for (String name : Stream.concat(Stream.of(CONFIG), TokenizerFiles.ALL.stream()).toList()) {
                if (Files.isRegularFile(folder.resolve(name))) {
                    lines.append(name).append(' ').append(Sha256.hex(List.of(folder.resolve(name)))).append('\n');
                }
            }
            return Sha256.hex(lines.toString().getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new BadInputException(folder + ": config and tokenizer cannot be read: " + Reason.of(e, folder), e);
        }
    }

    /** SHA-256, lower-case hex, of the safetensors bytes; of the shards in order of their names. */
    public static String hash(Path folder) {
        try {
            return Sha256.hex(WeightFiles.paths(folder));
        } catch (IOException e) {
            throw new BadInputException(folder + ": weights cannot be read: " + Reason.of(e, folder), e);
        }
    }
}
