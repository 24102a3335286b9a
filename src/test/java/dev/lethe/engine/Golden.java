package dev.lethe.engine;

import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Golden values that src/test/golden/parity.py took from transformers: "tied" or "untied". */
public record Golden(String name, JsonNode numbers, double[] values) {

    public static Golden of(String name) {
        try (InputStream json = open(name + ".json"); InputStream bin = open(name + ".bin")) {
            byte[] bytes = bin.readAllBytes();
            double[] values = new double[bytes.length / Double.BYTES];
            ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asDoubleBuffer().get(values);
            return new Golden(name, JsonMapper.shared().readTree(json), values);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static InputStream open(String file) {
        return Golden.class.getResourceAsStream("/golden/" + file);
    }

    ModelShape shape() {
        JsonNode shape = numbers.get("shape");
        return new ModelShape(shape.get("vocabulary").asLong(), shape.get("context").asLong(),
                shape.get("channels").asLong(), shape.get("heads").asLong(), shape.get("layers").asLong(),
                shape.get("inner").asLong(), shape.get("epsilon").asDouble(), shape.get("tied").asBoolean());
    }

    /** A model of this shape with the golden weights. */
    public LanguageModel model(Engine engine, Dtype dtype) {
        LanguageModel model = engine.model(shape(), dtype);
        model.buffer(Buffer.PARAMETERS).writeDoubles(0, flat("weights", model));
        return model;
    }

    /** All records, each counting by its share of the targets, as the mean over all tokens does. */
    Batch batch() {
        List<int[]> tokens = arrays("tokens");
        List<int[]> targets = arrays("targets");
        Batch batch = Batch.of(tokens, targets);
        double[] weights = new double[tokens.size()];
        double total = 0;
        for (int b = 0; b < weights.length; b++) {
            weights[b] = batch.targetCount(b);
            total += weights[b];
        }
        for (int b = 0; b < weights.length; b++) {
            weights[b] /= total;
        }
        return batch.withWeights(weights);
    }

    /** One record alone. */
    Batch record(int index) {
        return Batch.of(List.of(arrays("tokens").get(index)), List.of(arrays("targets").get(index)));
    }

    int records() {
        return numbers.get("tokens").size();
    }

    public double number(String key) {
        return numbers.get(key).asDouble();
    }

    public double[] doubles(String key) {
        return numbers.get(key).valueStream().mapToDouble(JsonNode::asDouble).toArray();
    }

    public List<int[]> arrays(String key) {
        List<int[]> rows = new ArrayList<>();
        numbers.get(key).forEach(row -> rows.add(row.valueStream().mapToInt(JsonNode::asInt).toArray()));
        return rows;
    }

    /** One array by its key. */
    double[] array(String key) {
        JsonNode place = numbers.get("arrays").get(key);
        double[] part = new double[place.get(1).asInt()];
        System.arraycopy(values, place.get(0).asInt(), part, 0, part.length);
        return part;
    }

    /** A group's tensors laid out as a model's flat buffer, gaps zero. */
    public double[] flat(String group, LanguageModel model) {
        double[] flat = new double[(int) model.flatSize()];
        for (ModelLayout.TensorInfo tensor : model.tensors()) {
            double[] part = array(group + "/" + tensor.name());
            System.arraycopy(part, 0, flat, (int) tensor.offset(), part.length);
        }
        return flat;
    }

    /** The part of a flat array that belongs to one tensor. */
    static double[] slice(double[] flat, ModelLayout.TensorInfo tensor) {
        double[] part = new double[(int) tensor.count()];
        System.arraycopy(flat, (int) tensor.offset(), part, 0, part.length);
        return part;
    }
}
