package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.base.FolderLinks;
import dev.lethe.engine.Base;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.engine.Work;
import dev.lethe.model.Safetensors.Tensor;
import dev.lethe.model.WeightFiles.Weight;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape.Adapter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A LoRA adapter as peft's folder: adapter_config.json and adapter_model.safetensors, over the model folder that it names. The
 * base is mapped where it lies. What Lethe writes has the base's hash in the safetensors metadata, and is refused over another.
 */
final class AdapterFolder {
    static final String WEIGHTS = "adapter_model.safetensors";
    /** Key of the metadata: SHA-256 of the base's weights. */
    static final String BASE_HASH = "lethe_base_sha256";

    private static final System.Logger LOG = System.getLogger("dev.lethe.model");
    private static final String PREFIX = "base_model.model.";
    private static final String PICKLE = "adapter_model.bin";

    private AdapterFolder() {
    }

    static boolean isIn(Path folder) {
        return Files.isRegularFile(folder.resolve(AdapterConfig.FILE));
    }

    /** The name that peft writes. */
    static String written(ModelType type, String plain) {
        return PREFIX + type.written(plain);
    }

    /** Settings of the base with the adapters that a folder's config makes. */
    static ModelSettings config(Path folder, Path base) {
        FolderLinks.requireInside(folder, folder.resolve(AdapterConfig.FILE));
        AdapterConfig adapter = AdapterConfig.read(folder);
        return with(Checkpoint.config(base), base, adapter, folder.resolve(AdapterConfig.FILE));
    }

    /** A base's settings with the adapters that a config makes. @param place what opens a message */
    static ModelSettings with(ModelSettings base, Path folder, AdapterConfig adapter, Path place) {
        List<Adapter> adapters = adapter.adapters(base, place);
        return new ModelSettings(base.shape().withAdapters(adapters), base.raw(),
                adapter.withBase(folder.toAbsolutePath().normalize()));
    }

    /** Reads an adapter over its base. */
    static LanguageModel read(Engine engine, Path folder, Path baseFolder, Dtype dtype) {
        ModelSettings settings = config(folder, baseFolder);
        try (Safetensors file = open(folder)) {
            Map<String, Weight> weights = new WeightCheck(folder, settings).check(weights(file, settings.type()));
            Base.Files base = BaseFolder.files(baseFolder, settings.withoutAdapter());
            String noted = file.metadata().get(BASE_HASH);
            if (noted != null && !noted.equals(base.sha256())) {
                throw new BadInputException(folder + ": is of a base with SHA-256 " + noted + ", the weights in " + baseFolder
                        + " have " + base.sha256() + "; say where its own base lies");
            }
            if (noted == null) {
                remark(folder, baseFolder, settings.adapter());
            }
            LanguageModel model = over(engine, settings, base, dtype);
            try {
                for (TensorInfo info : model.tensors()) {
                    Work.check(folder + ": reading the adapter was interrupted");
                    Tensor tensor = weights.get(info.name()).tensor();
                    model.buffer(Buffer.PARAMETERS).load(info, tensor.dtype().orElseThrow(), file.file(), tensor.begin());
                }
                return model;
            } catch (Throwable e) {
                model.close();
                throw e;
            }
        }
    }

    /** A model of zeros over a base, which it keeps. */
    static LanguageModel over(Engine engine, ModelSettings settings, Base.Files files, Dtype dtype) {
        try (Base base = engine.base(settings.shape(), dtype, files)) {
            return engine.model(settings.shape(), dtype, base);
        }
    }

    /** What may be meant so, of an adapter that does not note its base. */
    private static void remark(Path folder, Path base, AdapterConfig adapter) {
        String named = AdapterConfig.read(folder).base();
        if (named != null && !base.toAbsolutePath().normalize().endsWith(named.substring(named.lastIndexOf('/') + 1))) {
            LOG.log(System.Logger.Level.WARNING, "{0}: names its base \"{1}\", and is read over {2}", folder, named, base);
        }
        if (adapter.dropout() > 0) {
            LOG.log(System.Logger.Level.WARNING, "{0}: was trained with lora_dropout {1}; here nothing is dropped", folder,
                    adapter.dropout());
        }
    }

    private static Safetensors open(Path folder) {
        if (!Files.exists(folder.resolve(WEIGHTS)) && Files.exists(folder.resolve(PICKLE))) {
            throw new BadInputException(folder + ": has " + PICKLE + " but no " + WEIGHTS + ". Lethe does not read pickle files,"
                    + " because loading one executes code. Load it with peft where you trust it and save it again");
        }
        FolderLinks.requireInside(folder, folder.resolve(WEIGHTS));
        return Safetensors.open(folder.resolve(WEIGHTS));
    }

    /** By the engine's names; what has another prefix, or is there twice, by one that no model has. */
    private static Map<String, Weight> weights(Safetensors file, ModelType type) {
        Map<String, Weight> weights = new HashMap<>();
        file.tensors().forEach((name, tensor) -> {
            Weight weight = new Weight(file, tensor);
            if (!name.startsWith(PREFIX) || weights.putIfAbsent(type.plain(name.substring(PREFIX.length())), weight) != null) {
                weights.put("/" + name, weight);
            }
        });
        return weights;
    }
}
