package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.base.FolderLinks;
import dev.lethe.base.Io;
import dev.lethe.base.Sha256;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.engine.Work;
import dev.lethe.model.WeightFiles.Weight;
import dev.lethe.settings.Lora;
import dev.lethe.settings.ModelSource;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A model as a Hugging Face folder: config.json, safetensors weights (one file or shards), tokenizer files; or a LoRA adapter as
 * peft's folder over such a one. Loading maps the files and copies each weight once, into the model; an adapter's base stays
 * where it is. Saving is {@link CheckpointWriter}'s work.
 */
public final class Checkpoint {
    static final String CONFIG = "config.json";

    private Checkpoint() {
    }

    /** Whether this is meant to be a model folder: it has a config or a weight file. It may still not load. */
    public static boolean isCheckpoint(Path folder) {
        return List.of(CONFIG, WeightFiles.SINGLE, WeightFiles.INDEX, AdapterConfig.FILE).stream()
                .anyMatch(name -> Files.isRegularFile(folder.resolve(name)));
    }

    /** Whether it holds a LoRA adapter, and no model of its own. */
    public static boolean isAdapter(Path folder) {
        return AdapterFolder.isIn(folder);
    }

    /**
     * From now on, in this process, adapters' bases are looked for in this folder and not where the adapters say; null: there
     * again. Those that Lethe wrote still refuse another base than theirs.
     */
    public static void baseIn(Path folder) {
        BaseFolder.give(folder);
    }

    /** The folder whose tokenizer is a model's: its own, or of an adapter without one its base. @param base null for where it says */
    public static Path tokenizer(Path folder, Path base) {
        return AdapterFolder.isIn(folder) && !TokenizerFiles.isIn(folder) ? baseOf(folder, base) : folder;
    }

    /** @throws BadInputException when the config is absent, broken or describes a model Lethe does not run */
    public static ModelSettings config(Path folder) {
        return config(folder, null);
    }

    /** As {@link #config(Path)}. @param base of an adapter, null for where it says */
    public static ModelSettings config(Path folder, Path base) {
        if (AdapterFolder.isIn(folder)) {
            return AdapterFolder.config(folder, baseOf(folder, base));
        }
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
     * Of an adapter, the same holds for its base and for itself, but that a base is not F64.
     *
     * @param dtype F32, or F64 for tests
     * @return a model of the calling thread, which closes it
     * @throws BadInputException with everything that is missing, extra, mis-shaped or not finite
     */
    public static LanguageModel load(Engine engine, Path folder, Dtype dtype) {
        return load(engine, folder, null, dtype);
    }

    /** As {@link #load(Engine, Path, Dtype)}. @param base of an adapter, null for where it says */
    public static LanguageModel load(Engine engine, Path folder, Path base, Dtype dtype) {
        return Work.run("load", () -> AdapterFolder.isIn(folder)
                ? AdapterFolder.read(engine, folder, baseOf(folder, base), dtype) : read(engine, folder, dtype));
    }

    private static Path baseOf(Path adapter, Path said) {
        return said == null ? BaseFolder.of(adapter) : BaseFolder.or(said);
    }

    /**
     * What a new adapter over a model folder is to be.
     *
     * @throws BadInputException when the model has not the modules that it names, or is an adapter itself
     */
    public static ModelSettings adapted(Path said, Lora lora) {
        Path base = BaseFolder.or(said);
        if (AdapterFolder.isIn(base)) {
            throw new BadInputException(base + ": is an adapter already; train it on as an adapter, or make one model of it first");
        }
        ModelSettings settings = config(base);
        return AdapterFolder.with(settings, base, AdapterConfig.of(lora, settings), base);
    }

    /** A new adapter over a model folder, all zero. @param settings as {@link #adapted} gives them */
    public static LanguageModel adapt(Engine engine, Path said, ModelSettings settings, Dtype dtype) {
        Path base = BaseFolder.or(said);
        return Work.run("load", () -> AdapterFolder.over(engine, settings, BaseFolder.files(base, settings.withoutAdapter()), dtype));
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
     * files; of an adapter peft's two files in place of the first two. All of it is written and forced to disk under other
     * names first, so that a kill at any moment leaves either what was there or the whole new model.
     *
     * @param tokenizerFrom folder whose tokenizer files are kept; null, or a folder without any, writes GPT-2's own when
     *                      the model has GPT-2's vocabulary and none otherwise
     * @throws BadInputException when the folder cannot be written; nothing is left behind then
     */
    public static void save(LanguageModel model, ModelSettings config, Path folder, Path tokenizerFrom) {
        Work.run("save", () -> CheckpointWriter.write(model, config, folder, tokenizerFrom));
    }

    /**
     * Writes a model with adapters as one model without, as {@link #save} does.
     *
     * @param dtype of the weights; null: each as the base has it
     */
    public static void merge(LanguageModel model, ModelSettings config, Path folder, Path tokenizerFrom, Dtype dtype) {
        Work.run("merge", () -> CheckpointWriter.merge(model, config, folder, tokenizerFrom, dtype));
    }

    /** SHA-256, lower-case hex, over names and bytes of what a model is used by besides its weights: config and tokenizer. */
    public static String settingsHash(Path folder) {
        StringBuilder lines = new StringBuilder();
        return Io.input(folder + ": config and tokenizer cannot be read", () -> {
            for (String name : Stream.concat(Stream.of(CONFIG, AdapterConfig.FILE), TokenizerFiles.ALL.stream()).toList()) {
                if (Files.isRegularFile(folder.resolve(name))) {
                    lines.append(name).append(' ').append(Sha256.hex(Sha256.of(folder.resolve(name)))).append('\n');
                }
            }
            return Sha256.hex(Sha256.of(lines.toString().getBytes(StandardCharsets.UTF_8)));
        });
    }

    /** SHA-256, lower-case hex, of the safetensors bytes; of the shards in order of their names; of an adapter without its base. */
    public static String hash(Path folder) {
        return Io.input(folder + ": weights cannot be read", () -> {
            return Sha256.hex(Sha256.of(AdapterFolder.isIn(folder) ? List.of(folder.resolve(AdapterFolder.WEIGHTS))
                    : WeightFiles.paths(folder)));
        });
    }

    /** An adapter as peft's folder. @param base null for where it says */
    public static ModelSource.Pretrained adapter(Path folder, Path base) {
        if (!isAdapter(folder)) {
            throw new BadInputException(folder + ": holds no adapter, there is no adapter_config.json in it");
        }
        return new ModelSource.Pretrained(folder, base);
    }

    /** The shape of what a training begins with, without a look at its weights. */
    public static ModelShape shape(ModelSource source) {
        return switch (source) {
            case ModelSource.Pretrained(Path folder, Path base) -> config(folder, base).shape();
            case ModelSource.Adapted(Path base, Lora lora) -> adapted(base, lora).shape();
            case ModelSource.Fresh(ModelShape shape, Path _) -> shape;
        };
    }
}
