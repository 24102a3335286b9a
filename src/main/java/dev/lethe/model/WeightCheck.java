package dev.lethe.model;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Dtype;
import dev.lethe.engine.ModelLayout;
import dev.lethe.engine.ModelShape;
import dev.lethe.model.Safetensors.Tensor;
import dev.lethe.model.WeightFiles.Weight;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;

/**
 * Whether the tensors found are those of a model of the given shape, and finite: everything missing, extra, mis-shaped or
 * of a wrong type is listed at once, before any memory for a model is taken. Reads the weights once, in place.
 */
final class WeightCheck {
    private static final int PIECE_BYTES = 1 << 20;

    private WeightCheck() {
    }

    /** @throws BadInputException listing the tensors */
    static void check(Path folder, ModelShape shape, Map<String, Weight> weights) {
        Problems problems = new Problems();
        Map<String, List<Long>> expected = expected(shape);
        expected.forEach((name, wanted) -> names(name, wanted, weights.get(name), problems));
        weights.forEach((name, weight) -> {
            boolean tiedHead = shape.tiedHead() && name.equals(Gpt2Tensors.HEAD);
            if (!expected.containsKey(name) && !tiedHead) {
                problems.add("extra tensor " + weight.tensor().name() + " " + weight.tensor().shape()
                        + ", which a GPT-2 of " + shape.layers() + " layers does not have");
            }
        });
        problems.throwIfAny(folder);
        for (String name : expected.keySet()) {
            finite(weights.get(name), problems);
        }
        if (shape.tiedHead() && weights.containsKey(Gpt2Tensors.HEAD)) {
            sameHead(weights.get(Gpt2Tensors.HEAD), weights.get(Gpt2Tensors.TOKEN_TABLE), problems);
        }
        problems.throwIfAny(folder);
    }

    /** Name without prefix to shape, in the engine's order; the head only when it is a tensor of its own. */
    static Map<String, List<Long>> expected(ModelShape shape) {
        Map<String, List<Long>> expected = new LinkedHashMap<>();
        ModelLayout.of(shape).tensors().forEach(info ->
                expected.put(info.name(), LongStream.of(info.shape()).boxed().toList()));
        return expected;
    }

    private static void names(String name, List<Long> wanted, Weight weight, Problems problems) {
        if (weight == null) {
            problems.add("missing tensor " + name + " " + wanted + (name.equals(Gpt2Tensors.HEAD)
                    ? "; config.json has tie_word_embeddings false, so the head is a tensor of its own" : ""));
            return;
        }
        Tensor tensor = weight.tensor();
        if (!tensor.shape().equals(wanted)) {
            problems.add("tensor " + tensor.name() + " is " + tensor.shape() + ", config.json makes it " + wanted);
        }
        if (tensor.dtype().isEmpty()) {
            problems.add("tensor " + tensor.name() + " is " + tensor.type() + "; weights must be F32, F16, BF16 or F64");
        }
    }

    private static void finite(Weight weight, Problems problems) {
        Tensor tensor = weight.tensor();
        Dtype dtype = tensor.dtype().orElseThrow();
        long found = weight.file().file().firstNotFinite(tensor.begin(), tensor.count(), dtype);
        if (found >= 0) {
            problems.add("tensor " + tensor.name() + " holds NaN or infinity, first at element " + found);
        }
    }

    private static void sameHead(Weight head, Weight table, Problems problems) {
        boolean same = head.tensor().type().equals(table.tensor().type())
                && head.tensor().shape().equals(table.tensor().shape());
        long bytes = head.tensor().end() - head.tensor().begin();
        for (long at = 0; same && at < bytes; at += PIECE_BYTES) {
            int length = (int) Math.min(PIECE_BYTES, bytes - at);
            same = Arrays.equals(head.file().file().bytes(head.tensor().begin() + at, length),
                    table.file().file().bytes(table.tensor().begin() + at, length));
        }
        if (!same) {
            problems.add("lm_head.weight differs from wte.weight although tie_word_embeddings is true; set "
                    + "\"tie_word_embeddings\": false in config.json if the head is meant to be its own, or drop lm_head.weight");
        }
    }
}
