package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Problems;
import dev.lethe.base.Reason;
import dev.lethe.engine.ModelLayout;
import dev.lethe.shape.ModelShape;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A {@code config.json}: the shape Lethe needs, and every other key as it was, so that writing loses nothing. Variants
 * whose arithmetic differs from the engine's are refused, not approximated.
 *
 * @param shape   the model's; its context is no longer than a window that slides
 * @param raw     the file's keys and values, in its order; unmodifiable. Of an adapter its base's
 * @param adapter what an adapter's own config says, null without
 */
public record ModelSettings(ModelShape shape, Map<String, Object> raw, AdapterConfig adapter) {
    public ModelSettings {
        raw = Collections.unmodifiableMap(new LinkedHashMap<>(raw));
    }

    ModelSettings(ModelShape shape, Map<String, Object> raw) {
        this(shape, raw, null);
    }

    /** The base's. */
    ModelSettings withoutAdapter() {
        return new ModelSettings(shape.withAdapters(List.of()), raw);
    }

    /** @throws BadInputException with all problems of the file at once */
    public static ModelSettings read(Path configJson) {
        return parse(Json.bytes(configJson), configJson);
    }

    /** Of a new model, complete for transformers' from_pretrained; GPT-2's token ends a text. */
    public static ModelSettings of(ModelShape shape) {
        return of(shape, Gpt2Tokenizer.END_OF_TEXT);
    }

    /**
     * The same with the id that ends a text; -1, or one the model has no row for, is none.
     *
     * @throws IllegalArgumentException when no {@code model_type} is of such a shape
     */
    public static ModelSettings of(ModelShape shape, int end) {
        Map<String, Object> raw = ConfigShape.write(shape);
        Integer endOfText = end >= 0 && end < shape.vocabulary() ? end : null;
        raw.put("model_type", ModelType.of(shape).key());
        raw.put("bos_token_id", endOfText);
        raw.put("eos_token_id", endOfText);
        ModelSettings settings = new ModelSettings(shape, raw);
        if (!parse(settings.toJson().getBytes(StandardCharsets.UTF_8), "config.json").shape().equals(shape)) {
            throw new IllegalArgumentException("no model that transformers reads has " + shape);
        }
        return settings;
    }

    ModelType type() {
        return ModelType.of(raw.get("model_type"));
    }

    /** The file's text: {@link #raw} for fp32 weights, keys sorted as transformers does. */
    public String toJson() {
        return toJson("float32");
    }

    /** @param dtype torch's name of the weights' type */
    String toJson(String dtype) {
        Map<String, Object> json = new TreeMap<>(raw);
        json.keySet().removeAll(List.of("torch_dtype", "n_ctx", "quantization_config", "_name_or_path"));
        json.put("architectures", List.of(type().architecture()));
        json.put("dtype", dtype);
        return Json.text(json);
    }

    static ModelSettings parse(byte[] content, Object source) {
        Map<String, Object> raw = Json.object(content, source);
        Problems problems = new Problems();
        ConfigFields fields = new ConfigFields(raw, problems);
        Object key = raw.get("model_type");
        ModelType type = ModelType.of(key);
        if (type == null) {
            problems.add((key == null ? "model_type is missing" : "model_type is " + ConfigFields.quoted(key))
                    + "; Lethe reads " + ModelType.known());
        }
        fields.refuseOthers();
        ModelShape shape = null;
        try {
            shape = type == null ? null : ConfigShape.read(type, fields);
            if (shape != null) {
                ModelLayout.of(shape);
            }
        } catch (IllegalArgumentException | BadInputException e) {
            problems.add(Reason.of(e));
        }
        problems.throwIfAny(source);
        return new ModelSettings(shape, raw);
    }
}
