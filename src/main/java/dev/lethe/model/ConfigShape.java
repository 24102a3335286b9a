package dev.lethe.model;

import static dev.lethe.model.ConfigFields.LARGEST;
import static dev.lethe.model.ConfigFields.MOST_LAYERS;

import dev.lethe.base.Sizes;
import dev.lethe.shape.Block;
import dev.lethe.shape.Block.Family;
import dev.lethe.shape.Block.Option;
import dev.lethe.shape.Block.Rotary;
import dev.lethe.shape.ModelShape;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** How the config.json of each {@link ModelType} tells a shape. Defaults are transformers' own. */
final class ConfigShape {
    private ConfigShape() {
    }

    /** Null when there are problems. */
    static ModelShape read(ModelType type, ConfigFields fields) {
        return switch (type) {
            case GPT2 -> gpt2(fields);
            case GPT_NEOX -> neox(fields);
            default -> llama(type, fields);
        };
    }

    private static ModelShape gpt2(ConfigFields f) {
        long channels = f.size(LARGEST, "n_embd", "hidden_size");
        long heads = f.size(LARGEST, "n_head", "num_attention_heads");
        long layers = f.size(MOST_LAYERS, "n_layer", "num_hidden_layers");
        long context = f.size(LARGEST, "n_positions", "max_position_embeddings");
        long vocabulary = f.size(LARGEST, "vocab_size");
        long inner = f.size("n_inner", LARGEST, 4 * channels);
        Set<Option> options = EnumSet.noneOf(Option.class);
        if (!f.flag("scale_attn_weights", true)) {
            options.add(Option.UNSCALED_SCORES);
        }
        if (f.flag("scale_attn_by_inverse_layer_idx", false)) {
            options.add(Option.SCORES_BY_BLOCK);
        }
        f.divisible("n_embd", channels, "n_head", heads);
        Block block = new Block(Family.GPT2, f.activation("activation_function", "gelu_new"), 0, 0, null, options);
        double epsilon = f.epsilon("layer_norm_epsilon", 1e-5);
        boolean tied = f.flag("tie_word_embeddings", true);
        return f.problems().isEmpty()
                ? new ModelShape(vocabulary, context, channels, heads, layers, inner, epsilon, tied, block) : null;
    }

    private static ModelShape llama(ModelType type, ConfigFields f) {
        Sizes sizes = Sizes.of(f);
        boolean said = type == ModelType.LLAMA || f.raw().containsKey("num_key_value_heads");
        long kv = said ? f.size("num_key_value_heads", LARGEST, sizes.heads) : type == ModelType.MISTRAL ? 8 : 32;
        long head = f.size("head_dim", LARGEST, type == ModelType.QWEN3 ? 128 : 0);
        if (head == 0) {
            f.divisible("hidden_size", sizes.channels, "num_attention_heads", sizes.heads);
        }
        f.divisible("num_attention_heads", sizes.heads, "num_key_value_heads", kv);
        Set<Option> options = EnumSet.noneOf(Option.class);
        boolean biased = (type == ModelType.LLAMA || type == ModelType.QWEN3) && f.flag("attention_bias", false);
        if (!biased && type != ModelType.QWEN2) {
            options.add(Option.NO_QKV_BIAS);
        }
        if (!biased) {
            options.add(Option.NO_OUTPUT_BIAS);
        }
        if (!(type == ModelType.LLAMA && f.flag("mlp_bias", false))) {
            options.add(Option.NO_MLP_BIAS);
        }
        if (type == ModelType.QWEN3) {
            options.add(Option.HEAD_NORM);
        }
        Rotary rotary = f.rotary(head == 0 ? sizes.heads == 0 ? 2 : sizes.channels / sizes.heads : head, "rope_theta", null, 1,
                sizes.context);
        Block block = new Block(Family.LLAMA, f.activation("hidden_act", "silu"), kv, head, rotary, options);
        return sizes.shape(f, window(type, f, sizes.context), f.epsilon("rms_norm_eps", 1e-6), block);
    }

    /** Within its window a model that slides one is a model without: longer records are refused or cut as beyond the context. */
    private static long window(ModelType type, ConfigFields f, long context) {
        boolean slides = type == ModelType.MISTRAL
                || (type == ModelType.QWEN2 || type == ModelType.QWEN3) && f.flag("use_sliding_window", false);
        if (!slides) {
            return context;
        }
        boolean none = f.raw().containsKey("sliding_window") && f.raw().get("sliding_window") == null;
        return none ? context : Math.min(context, f.size("sliding_window", LARGEST, 4096));
    }

    private static ModelShape neox(ConfigFields f) {
        Sizes sizes = Sizes.of(f);
        f.divisible("hidden_size", sizes.channels, "num_attention_heads", sizes.heads);
        Set<Option> options = EnumSet.noneOf(Option.class);
        if (f.flag("use_parallel_residual", true)) {
            options.add(Option.PARALLEL);
        }
        if (!f.flag("attention_bias", true)) {
            options.addAll(EnumSet.of(Option.NO_QKV_BIAS, Option.NO_OUTPUT_BIAS));
        }
        Rotary rotary = f.rotary(sizes.heads == 0 ? 8 : sizes.channels / sizes.heads, "rotary_emb_base", "rotary_pct", 0.25,
                sizes.context);
        return sizes.shape(f, sizes.context, f.epsilon("layer_norm_eps", 1e-5),
                new Block(Family.GPT_NEOX, f.activation("hidden_act", "gelu"), 0, 0, rotary, options));
    }

    /** What all but GPT-2 name alike. */
    private record Sizes(long channels, long heads, long layers, long context, long vocabulary, long inner, boolean tied) {
        static Sizes of(ConfigFields f) {
            return new Sizes(f.size(LARGEST, "hidden_size"), f.size(LARGEST, "num_attention_heads"),
                    f.size(MOST_LAYERS, "num_hidden_layers"), f.size(LARGEST, "max_position_embeddings"),
                    f.size(LARGEST, "vocab_size"), f.size(LARGEST, "intermediate_size"), f.flag("tie_word_embeddings", false));
        }

        ModelShape shape(ConfigFields f, long longest, double epsilon, Block block) {
            return f.problems().isEmpty()
                    ? new ModelShape(vocabulary, longest, channels, heads, layers, inner, epsilon, tied, block) : null;
        }
    }

    /** Everything that transformers needs of a new model, beside its class. */
    static Map<String, Object> write(ModelShape shape) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("initializer_range", 0.02);
        json.put("use_cache", true);
        json.put("vocab_size", shape.vocabulary());
        json.put("tie_word_embeddings", shape.tiedHead());
        if (shape.block().family() == Family.GPT2) {
            writeGpt2(json, shape);
            return json;
        }
        json.put("hidden_size", shape.channels());
        json.put("num_attention_heads", shape.heads());
        json.put("num_hidden_layers", shape.layers());
        json.put("max_position_embeddings", shape.context());
        json.put("intermediate_size", shape.inner());
        json.put("hidden_act", ConfigFields.name(shape.block().activation()));
        if (shape.block().family() == Family.LLAMA) {
            writeLlama(json, shape);
        } else {
            writeNeox(json, shape);
        }
        return json;
    }

    private static void writeGpt2(Map<String, Object> json, ModelShape shape) {
        for (String dropout : new String[] {"attn_pdrop", "embd_pdrop", "resid_pdrop"}) {
            json.put(dropout, 0.0); // Lethe trains without dropout, so a continuation elsewhere should too
        }
        Set<Option> options = shape.block().options();
        json.put("scale_attn_weights", !options.contains(Option.UNSCALED_SCORES));
        if (options.contains(Option.SCORES_BY_BLOCK)) {
            json.put("scale_attn_by_inverse_layer_idx", true);
        }
        json.put("activation_function", ConfigFields.name(shape.block().activation()));
        json.put("n_positions", shape.context());
        json.put("n_embd", shape.channels());
        json.put("n_head", shape.heads());
        json.put("n_layer", shape.layers());
        json.put("n_inner", shape.inner() == 4 * shape.channels() ? null : shape.inner());
        json.put("layer_norm_epsilon", shape.normEpsilon());
    }

    private static void writeLlama(Map<String, Object> json, ModelShape shape) {
        Block block = shape.block();
        json.put("rms_norm_eps", shape.normEpsilon());
        json.put("num_key_value_heads", block.kvHeads() == 0 ? shape.heads() : block.kvHeads());
        json.put("head_dim", block.headSize() == 0 ? shape.channels() / shape.heads() : block.headSize());
        json.put("attention_bias", !block.options().contains(Option.NO_OUTPUT_BIAS));
        json.put("mlp_bias", !block.options().contains(Option.NO_MLP_BIAS));
        json.put("attention_dropout", 0.0);
        json.put("rope_theta", block.rotary().base());
        json.put("rope_scaling", scaling(block.rotary()));
    }

    private static void writeNeox(Map<String, Object> json, ModelShape shape) {
        Block block = shape.block();
        json.put("layer_norm_eps", shape.normEpsilon());
        json.put("use_parallel_residual", block.options().contains(Option.PARALLEL));
        json.put("attention_bias", !block.options().contains(Option.NO_QKV_BIAS));
        json.put("attention_dropout", 0.0);
        json.put("hidden_dropout", 0.0);
        json.put("rotary_emb_base", block.rotary().base());
        double head = (double) shape.channels() / shape.heads(), share = block.rotary().size() / head;
        json.put("rotary_pct", (long) (share * head) == block.rotary().size() ? share : Math.nextUp(share));
        json.put("rope_scaling", scaling(block.rotary()));
    }

    private static Map<String, Object> scaling(Rotary rotary) {
        return switch (rotary.scaling()) {
            case PLAIN -> null;
            case LINEAR -> Map.of("rope_type", "linear", "factor", rotary.factor());
            case LLAMA3 -> Map.of("rope_type", "llama3", "factor", rotary.factor(), "low_freq_factor", rotary.lowFactor(),
                    "high_freq_factor", rotary.highFactor(), "original_max_position_embeddings", rotary.oldContext());
        };
    }
}
