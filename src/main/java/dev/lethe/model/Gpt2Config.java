package dev.lethe.model;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.ModelShape;
import dev.lethe.engine.Reason;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A GPT-2 {@code config.json}: the sizes Lethe needs, and every other key as it was, so that writing loses nothing.
 * Variants of GPT-2 whose arithmetic differs from the engine's are refused, not approximated.
 *
 * @param shape the model's sizes
 * @param raw   the file's keys and values, in its order; unmodifiable
 */
public record Gpt2Config(ModelShape shape, Map<String, Object> raw) {
    private static final List<String> ACTIVATIONS = List.of("gelu_new", "gelu_pytorch_tanh");
    private static final long LARGEST = 1 << 27;
    private static final long MOST_LAYERS = 10_000;

    public Gpt2Config {
        raw = Collections.unmodifiableMap(new LinkedHashMap<>(raw));
    }

    /** @throws BadInputException with all problems of the file at once */
    public static Gpt2Config read(Path configJson) {
        return parse(Json.bytes(configJson), configJson);
    }

    /** The configuration of a new model, complete for transformers' {@code GPT2LMHeadModel.from_pretrained}. */
    public static Gpt2Config of(ModelShape shape) {
        return of(shape, Gpt2Tokenizer.END_OF_TEXT);
    }

    /** The same with the id that ends a text; -1, or one the model has no row for, is none. */
    public static Gpt2Config of(ModelShape shape, int end) {
        Map<String, Object> raw = new LinkedHashMap<>();
        for (String dropout : List.of("attn_pdrop", "embd_pdrop", "resid_pdrop")) {
            raw.put(dropout, 0.0); // Lethe trains without dropout, so a continuation elsewhere should too
        }
        Integer endOfText = end >= 0 && end < shape.vocabulary() ? end : null;
        raw.put("bos_token_id", endOfText);
        raw.put("eos_token_id", endOfText);
        raw.put("initializer_range", 0.02);
        raw.put("scale_attn_weights", true);
        raw.put("use_cache", true);
        return new Gpt2Config(shape, raw);
    }

    /** The file's text: {@link #raw} with the sizes of {@link #shape}, fp32 weights, keys sorted as transformers does. */
    public String toJson() {
        Map<String, Object> json = new TreeMap<>(raw);
        json.keySet().removeAll(List.of("torch_dtype", "n_ctx", "hidden_size", "max_position_embeddings",
                "num_attention_heads", "num_hidden_layers", "quantization_config", "_name_or_path"));
        json.put("architectures", List.of("GPT2LMHeadModel"));
        json.put("model_type", "gpt2");
        json.putIfAbsent("activation_function", ACTIVATIONS.getFirst());
        json.put("vocab_size", shape.vocabulary());
        json.put("n_positions", shape.context());
        json.put("n_embd", shape.channels());
        json.put("n_head", shape.heads());
        json.put("n_layer", shape.layers());
        json.put("n_inner", shape.inner() == 4 * shape.channels() ? null : shape.inner());
        json.put("layer_norm_epsilon", shape.layerNormEpsilon());
        json.put("tie_word_embeddings", shape.tiedHead());
        json.put("dtype", "float32");
        return Json.text(json);
    }

    static Gpt2Config parse(byte[] content, Object source) {
        Map<String, Object> raw = Json.object(content, source);
        Problems problems = new Problems();
        Fields fields = new Fields(raw, problems);
        fields.kind();
        long channels = fields.size("n_embd", "hidden_size", LARGEST);
        long heads = fields.size("n_head", "num_attention_heads", LARGEST);
        long layers = fields.size("n_layer", "num_hidden_layers", MOST_LAYERS);
        long context = fields.size("n_positions", "max_position_embeddings", LARGEST);
        long vocabulary = fields.size("vocab_size", "vocab_size", LARGEST);
        long inner = raw.get("n_inner") == null ? 4 * channels : fields.size("n_inner", "n_inner", LARGEST);
        double epsilon = fields.epsilon();
        boolean tied = fields.flag("tie_word_embeddings", true);
        fields.refuseVariants();
        if (channels > 0 && heads > 0 && channels % heads != 0) {
            problems.add("n_embd " + channels + " is not divisible by n_head " + heads);
        }
        problems.throwIfAny(source);
        try {
            return new Gpt2Config(new ModelShape(vocabulary, context, channels, heads, layers, inner, epsilon, tied), raw);
        } catch (IllegalArgumentException e) {
            throw new BadInputException(source + ": " + Reason.of(e), e);
        }
    }

    /** Reads single keys; what is wrong goes to the problems and a harmless value comes back. */
    private record Fields(Map<String, Object> raw, Problems problems) {
        void kind() {
            Object type = raw.get("model_type");
            if (!"gpt2".equals(type)) {
                problems.add(type == null ? "model_type is missing; Lethe reads GPT-2 models, \"model_type\": \"gpt2\""
                        : "model_type is " + quoted(type) + "; Lethe reads \"gpt2\" only");
            }
            Object activation = raw.get("activation_function");
            if (activation != null && !(activation instanceof String name && ACTIVATIONS.contains(name))) {
                problems.add("activation_function is " + quoted(activation) + "; supported are " + String.join(" and ", ACTIVATIONS));
            }
        }

        long size(String key, String alias, long largest) {
            String found = raw.containsKey(key) ? key : raw.containsKey(alias) ? alias : key;
            Object value = raw.get(found);
            if (value == null) {
                problems.add(key + " is missing");
            } else if (!(value instanceof Integer || value instanceof Long) || ((Number) value).longValue() < 1
                    || ((Number) value).longValue() > largest) {
                problems.add(found + " is " + quoted(value) + "; must be a whole number from 1 to " + largest);
            } else {
                return ((Number) value).longValue();
            }
            return 0;
        }

        double epsilon() {
            Object value = raw.getOrDefault("layer_norm_epsilon", 1e-5);
            if (value instanceof Double epsilon && epsilon > 0 && epsilon < 1) {
                return epsilon;
            }
            problems.add("layer_norm_epsilon is " + quoted(value) + "; must be a number between 0 and 1");
            return 1e-5;
        }

        boolean flag(String key, boolean otherwise) {
            Object value = raw.get(key);
            if (value == null) {
                return otherwise;
            }
            if (value instanceof Boolean flag) {
                return flag;
            }
            problems.add(key + " is " + quoted(value) + "; must be true or false");
            return otherwise;
        }

        void refuseVariants() {
            if (!flag("scale_attn_weights", true)) {
                problems.add("scale_attn_weights is false; this variant is not supported, attention is always scaled");
            }
            for (String key : List.of("scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "add_cross_attention")) {
                if (flag(key, false)) {
                    problems.add(key + " is true; this variant is not supported");
                }
            }
            if (raw.get("quantization_config") != null) {
                problems.add("quantization_config is present; Lethe reads unquantised weights only");
            }
        }

        private static String quoted(Object value) {
            String text = String.valueOf(value);
            String shown = text.length() > 60 ? text.substring(0, 60) + "…" : text;
            return value instanceof String ? "\"" + shown + "\"" : shown;
        }
    }
}
