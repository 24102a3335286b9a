package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Problems;
import dev.lethe.engine.ModelLayout;
import dev.lethe.model.Safetensors.Tensor;
import dev.lethe.model.WeightFiles.Weight;
import dev.lethe.shape.Dtype;
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

    private final Path folder;
    private final ModelSettings settings;
    /** Name without prefix to shape, in the engine's order; the head only when it is a tensor of its own. */
    private final Map<String, List<Long>> expected = new LinkedHashMap<>();
    private final String table;
    private final String head;

    WeightCheck(Path folder, ModelSettings settings) {
        this.folder = folder;
        this.settings = settings;
        ModelLayout layout = ModelLayout.of(settings.shape());
        layout.tensors().forEach(info -> expected.put(info.name(), LongStream.of(info.shape()).boxed().toList()));
        table = layout.tensors().getFirst().name();
        head = layout.sites().getLast().name() + ".weight";
    }

    Map<String, List<Long>> expected() {
        return expected;
    }

    private Map<String, Weight> withTable(Map<String, Weight> weights) {
        if (!tied() || weights.containsKey(table) || !weights.containsKey(head)) {
            return weights;
        }
        Map<String, Weight> both = new LinkedHashMap<>(weights);
        both.put(table, weights.get(head));
        return both;
    }

    /**
     * @param found by name without prefix
     * @return the same; the table of a tied head too where only the head is there, as safetensors' save_model writes it
     * @throws BadInputException listing the tensors
     */
    Map<String, Weight> check(Map<String, Weight> found) {
        Map<String, Weight> weights = names(found);
        Problems problems = new Problems();
        for (String name : expected.keySet()) {
            finite(weights.get(name), problems);
        }
        if (tied() && weights.containsKey(head)) {
            sameHead(weights.get(head), weights.get(table), problems);
        }
        problems.throwIfAny(folder);
        return weights;
    }

    /** As {@link #check} without a look at the numbers. */
    Map<String, Weight> names(Map<String, Weight> found) {
        Map<String, Weight> weights = withTable(found);
        Problems problems = new Problems();
        expected.forEach((name, wanted) -> names(name, wanted, weights.get(name), problems));
        weights.forEach((name, weight) -> {
            if (!expected.containsKey(name) && !(tied() && name.equals(head))) {
                problems.add("extra tensor " + weight.tensor().name() + " " + weight.tensor().shape() + ", which a "
                        + settings.type().key() + " of " + settings.shape().layers() + " layers does not have"
                        + (settings.adapter() == null ? "" : " by its " + AdapterConfig.FILE));
            }
        });
        problems.throwIfAny(folder);
        return weights;
    }

    private boolean tied() {
        return settings.shape().tiedHead() && settings.adapter() == null;
    }

    private void names(String name, List<Long> wanted, Weight weight, Problems problems) {
        if (weight == null) {
            problems.add("missing tensor " + name + " " + wanted + (name.equals(head)
                    ? "; config.json has tie_word_embeddings false, so the head is a tensor of its own" : ""));
            return;
        }
        Tensor tensor = weight.tensor();
        if (!tensor.shape().equals(wanted)) {
            problems.add("tensor " + tensor.name() + " is " + tensor.shape() + ", " + (settings.adapter() == null
                    ? Checkpoint.CONFIG : AdapterConfig.FILE) + " makes it " + wanted);
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

    private void sameHead(Weight head, Weight table, Problems problems) {
        boolean same = head.tensor().type().equals(table.tensor().type())
                && head.tensor().shape().equals(table.tensor().shape());
        long bytes = head.tensor().end() - head.tensor().begin();
        for (long at = 0; same && at < bytes; at += PIECE_BYTES) {
            int length = (int) Math.min(PIECE_BYTES, bytes - at);
            same = Arrays.equals(head.file().file().bytes(head.tensor().begin() + at, length),
                    table.file().file().bytes(table.tensor().begin() + at, length));
        }
        if (!same) {
            problems.add(this.head + " differs from " + this.table + " although tie_word_embeddings is true; set "
                    + "\"tie_word_embeddings\": false in config.json if the head is meant to be its own, or drop " + this.head);
        }
    }
}
