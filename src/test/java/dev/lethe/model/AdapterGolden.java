package dev.lethe.model;

import dev.lethe.engine.Batch;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.shape.ModelShape.Adapter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** An adapter that peft wrote, with its base, and what peft makes of it in fp64 (src/test/golden/adapters.py). */
final class AdapterGolden {
    static final Path FOLDER = Path.of("src/test/resources/golden/adapters");

    private final Path folder;
    private final Map<String, List<String>> lines = new HashMap<>();
    private final List<Adapter> adapters = new ArrayList<>();
    private final double[] values;

    AdapterGolden(String name) {
        folder = FOLDER.resolve(name);
        try {
            for (String line : Files.readAllLines(folder.resolve("golden.txt"))) {
                String[] words = line.split(" ", 2);
                if (words[0].equals("array")) {
                    String[] place = words[1].split(" ", 2);
                    lines.put("array " + place[0], List.of(place[1]));
                } else if (words[0].startsWith("adapter:")) {
                    double[] numbers = numbers(words[1]);
                    adapters.add(new Adapter(words[0].substring("adapter:".length()), (long) numbers[0], numbers[1]));
                } else {
                    lines.computeIfAbsent(words[0], _ -> new ArrayList<>()).add(words[1]);
                }
            }
            byte[] bytes = Files.readAllBytes(folder.resolve("golden.bin"));
            values = new double[bytes.length / Double.BYTES];
            ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asDoubleBuffer().get(values);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static List<String> names() {
        return List.of("gpt2", "llama-qv", "llama-all", "qwen2", "neox");
    }

    Path adapter() {
        return folder.resolve("adapter");
    }

    Path base() {
        return folder.resolve("base");
    }

    /** In the order of peft's modules. */
    List<Adapter> adapters() {
        return adapters;
    }

    private static double[] numbers(String line) {
        return Stream.of(line.split(" ")).mapToDouble(Double::parseDouble).toArray();
    }

    double[] line(String key) {
        return numbers(lines.get(key).getFirst());
    }

    int[] ids(String key) {
        return ints(lines.get(key).getFirst());
    }

    private static int[] ints(String line) {
        return Stream.of(line.split(" ")).mapToInt(Integer::parseInt).toArray();
    }

    /** All records, with weights. */
    Batch batch() {
        List<int[]> tokens = lines.get("tokens").stream().map(AdapterGolden::ints).toList();
        List<int[]> targets = lines.get("targets").stream().map(AdapterGolden::ints).toList();
        return Batch.of(tokens, targets).withWeights(lines.get("weight").stream().mapToDouble(Double::parseDouble).toArray());
    }

    /** One of them alone. */
    Batch record(int index) {
        return Batch.of(List.of(ints(lines.get("tokens").get(index))), List.of(ints(lines.get("targets").get(index))));
    }

    double[] array(String key) {
        double[] place = numbers(lines.get("array " + key).getFirst());
        double[] part = new double[(int) place[1]];
        System.arraycopy(values, (int) place[0], part, 0, part.length);
        return part;
    }

    /** A group's tensors laid out as a model's flat buffer, gaps zero. */
    double[] flat(String group, LanguageModel model) {
        double[] flat = new double[(int) model.flatSize()];
        for (TensorInfo tensor : model.tensors()) {
            double[] part = array(group + "/" + tensor.name());
            System.arraycopy(part, 0, flat, (int) tensor.offset(), part.length);
        }
        return flat;
    }
}
