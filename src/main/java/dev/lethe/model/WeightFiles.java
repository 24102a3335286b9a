package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.base.FolderLinks;
import dev.lethe.base.Problems;
import dev.lethe.model.Safetensors.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The weight files of a folder, found, opened and joined under plain tensor names: one {@code model.safetensors}, or the
 * shards that {@code model.safetensors.index.json} lists. Owns the mappings.
 */
final class WeightFiles implements AutoCloseable {
    static final String SINGLE = "model.safetensors";
    static final String INDEX = "model.safetensors.index.json";
    private static final List<String> PICKLES = List.of("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt");

    private final List<Safetensors> files = new ArrayList<>();
    private final Map<String, Weight> weights = new LinkedHashMap<>();

    /** A tensor and the file it lies in. */
    record Weight(Safetensors file, Tensor tensor) {
    }

    private final ModelType type;

    private WeightFiles(ModelType type) {
        this.type = type;
    }

    /** @throws BadInputException with what is wrong with the files themselves; names and shapes are checked elsewhere */
    static WeightFiles open(Path folder, ModelType type) {
        WeightFiles opened = new WeightFiles(type);
        try {
            Problems problems = new Problems();
            if (Files.exists(folder.resolve(SINGLE))) {
                opened.add(folder.resolve(SINGLE), null, problems);
            } else {
                for (Map.Entry<String, TreeSet<String>> shard : shards(folder).entrySet()) {
                    opened.add(folder.resolve(shard.getKey()), shard.getValue(), problems);
                }
            }
            problems.throwIfAny(folder);
            return opened;
        } catch (Throwable e) {
            opened.close();
            throw e;
        }
    }

    /** The safetensors files of a folder, sorted by name. */
    static List<Path> paths(Path folder) {
        return Files.exists(folder.resolve(SINGLE)) ? List.of(folder.resolve(SINGLE))
                : shards(folder).keySet().stream().map(folder::resolve).toList();
    }

    /** By name without prefix; buffers are left out. */
    Map<String, Weight> weights() {
        return Collections.unmodifiableMap(weights);
    }

    @Override
    public void close() {
        files.forEach(Safetensors::close);
    }

    private void add(Path path, TreeSet<String> promised, Problems problems) {
        FolderLinks.requireInside(path.getParent(), path);
        Safetensors file = Safetensors.open(path);
        files.add(file);
        for (Tensor tensor : file.tensors().values()) {
            String plain = type.plain(tensor.name());
            if (promised != null && !promised.remove(tensor.name())) {
                problems.add(path.getFileName() + ": tensor " + tensor.name() + " is not what " + INDEX + " lists there");
            }
            if (!type.isBuffer(plain) && weights.putIfAbsent(plain, new Weight(file, tensor)) != null) {
                problems.add("tensor " + plain + " is there twice, with and without \"" + type.prefix()
                        + "\" or in two files");
            }
        }
        if (promised != null && !promised.isEmpty()) {
            problems.add(path.getFileName() + ": lacks " + String.join(", ", promised) + ", which " + INDEX + " lists there");
        }
    }

    /** Shard file, by name, to the tensors it must hold. */
    private static SortedMap<String, TreeSet<String>> shards(Path folder) {
        Path index = folder.resolve(INDEX);
        FolderLinks.requireInside(folder, index);
        if (!Files.exists(index)) {
            throw new BadInputException(absent(folder));
        }
        Object map = Json.object(index).get("weight_map");
        if (!(map instanceof Map<?, ?> entries) || entries.isEmpty()) {
            throw new BadInputException(index + ": has no weight_map from tensor to file");
        }
        Problems problems = new Problems();
        SortedMap<String, TreeSet<String>> shards = new TreeMap<>();
        entries.forEach((tensor, file) -> {
            if (!(file instanceof String name) || !plainFileName(name)) {
                problems.add("weight_map sends " + tensor + " to " + file + ", which is no file name beside it");
            } else {
                shards.computeIfAbsent(name, n -> new TreeSet<>()).add((String) tensor);
            }
        });
        shards.keySet().stream().filter(name -> !Files.exists(folder.resolve(name)))
                .forEach(name -> problems.add("shard " + name + " is missing"));
        problems.throwIfAny(index);
        return shards;
    }

    private static boolean plainFileName(String name) {
        return name.matches("[\\w.-]+") && !name.startsWith(".");
    }

    private static String absent(Path folder) {
        if (!Files.isDirectory(folder)) {
            return folder + (Files.exists(folder) ? ": not a folder" : ": no such folder") + "; give a Hugging Face model folder";
        }
        for (String pickle : PICKLES) {
            if (Files.exists(folder.resolve(pickle))) {
                return folder + ": has " + pickle + " but no " + SINGLE + ". Lethe does not read pickle files, because "
                        + "loading one executes code. Convert it where you trust it: python3 -c \"from transformers import "
                        + "AutoModelForCausalLM as M; M.from_pretrained('" + folder + "').save_pretrained('" + folder + "')\"";
            }
        }
        return folder + ": has neither " + SINGLE + " nor " + INDEX;
    }
}
