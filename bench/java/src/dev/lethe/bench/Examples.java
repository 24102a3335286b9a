/* Examples as JSON: {"tokens": [[...]], "targets": [[...]]}, made by bench/compare or by the worker's encode. */
package dev.lethe.bench;

import dev.lethe.data.Dataset;
import dev.lethe.engine.Batch;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.Tokenizer;
import dev.lethe.settings.TrainConfig;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Encoder;
import dev.lethe.text.Example;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

final class Examples {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    private Examples() { }

    static List<Example> read(Path file) {
        JsonNode root = JSON.readTree(file.toFile());
        List<Example> examples = new ArrayList<>();
        for (int i = 0; i < root.get("tokens").size(); i++) {
            examples.add(new Example("r" + i, i, ints(root.get("tokens").get(i)), ints(root.get("targets").get(i)), false));
        }
        return examples;
    }

    private static int[] ints(JsonNode array) {
        return IntStream.range(0, array.size()).map(i -> array.get(i).asInt()).toArray();
    }

    /** A batch whose loss is the mean over all its targets, as PyTorch's cross_entropy has it. */
    static Batch tokenMean(List<Example> examples) {
        double targets = examples.stream().mapToInt(Example::targetCount).sum();
        double[] weights = examples.stream().mapToDouble(example -> example.targetCount() / targets).toArray();
        return batch(examples).withWeights(weights);
    }

    /** A batch whose loss is the mean of its records' mean losses. */
    static Batch batch(List<Example> examples) {
        return BatchPlan.batch(examples, IntStream.range(0, examples.size()).toArray());
    }

    static List<List<Example>> parts(List<Example> examples, int size) {
        List<List<Example>> parts = new ArrayList<>();
        for (int from = 0; from < examples.size(); from += size) {
            parts.add(examples.subList(from, Math.min(examples.size(), from + size)));
        }
        return parts;
    }

    /** Encodes data files as a training does, with the batches of its epochs, into a file that both sides can read. */
    static void encode(JsonNode request, Path out) {
        Path model = Path.of(request.get("model").asString());
        int context = Math.toIntExact(Checkpoint.config(model).shape().context());
        Map<String, Object> root = new LinkedHashMap<>();
        try (Tokenizer tokenizer = Tokenizer.of(model)) {
            Encoder encoder = new Encoder(tokenizer::encode, tokenizer.endOfText(), context, TrainConfig.OnLong.TRUNCATE);
            List<Example> learned = encoder.encode(Dataset.read(Path.of(request.get("data").asString())).records());
            put(root, "tokens", "targets", learned);
            if (request.has("heldOut")) {
                Dataset heldOut = Dataset.read(Path.of(request.get("heldOut").asString()));
                put(root, "heldOutTokens", "heldOutTargets", encoder.encode(heldOut.records()));
                root.put("rate", request.get("rate").asDouble());
                root.put("plan", IntStream.range(0, request.get("epochs").asInt())
                        .mapToObj(epoch -> BatchPlan.epoch(learned, request.get("batch").asInt(), 0, epoch)).toList());
                root.put("forget", forget(request));
            }
        }
        JSON.writeValue(out.toFile(), root);
    }

    private static int[] forget(JsonNode request) {
        var records = Dataset.read(Path.of(request.get("data").asString())).records();
        String subject = request.get("subject").asString();
        return IntStream.range(0, records.size()).filter(i -> subject.equals(records.get(i).subject())).toArray();
    }

    private static void put(Map<String, Object> root, String tokens, String targets, List<Example> examples) {
        root.put(tokens, examples.stream().map(Example::tokens).toList());
        root.put(targets, examples.stream().map(Example::targets).toList());
    }
}
