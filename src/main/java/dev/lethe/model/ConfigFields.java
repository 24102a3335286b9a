package dev.lethe.model;

import dev.lethe.base.Problems;
import dev.lethe.shape.Block.Activation;
import dev.lethe.shape.Block.Rotary;
import dev.lethe.shape.Block.Rotary.Scaling;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Reads single keys of a config.json; what is wrong goes to the problems and a harmless value comes back. */
record ConfigFields(Map<String, Object> raw, Problems problems) {
    static final long LARGEST = 1 << 27;
    static final long MOST_LAYERS = 10_000;

    /** transformers' names; gelu_fast and gelu_pytorch_tanh are the same formula as gelu_new. */
    private static final Map<String, Activation> ACTIVATIONS = activations();
    /** Any of these makes another model of a known kind. */
    private static final List<String> EXPERTS = List.of("num_experts", "num_local_experts", "n_routed_experts",
            "num_experts_per_tok", "moe_intermediate_size");

    /** A whole number from 1 to {@code largest}; the first of the keys that is there counts. */
    long size(long largest, String... keys) {
        String key = keys[0];
        for (String candidate : keys) {
            if (raw.containsKey(candidate)) {
                key = candidate;
                break;
            }
        }
        if (raw.get(key) == null) {
            problems.add(key + " is missing");
            return 0;
        }
        return size(key, largest, 0);
    }

    /** The same of a key that may be absent or null. */
    long size(String key, long largest, long otherwise) {
        return read(key, raw.get(key), otherwise, 0L, value -> (value instanceof Integer || value instanceof Long)
                && ((Number) value).longValue() >= 1 && ((Number) value).longValue() <= largest ? ((Number) value).longValue() : null,
                "a whole number from 1 to " + largest);
    }

    double epsilon(String key, double otherwise) {
        return read(key, raw.get(key), otherwise, otherwise, value -> value instanceof Number number && number.doubleValue() > 0
                && number.doubleValue() < 1 ? number.doubleValue() : null, "a number between 0 and 1");
    }

    boolean flag(String key, boolean otherwise) {
        return read(key, raw.get(key), otherwise, otherwise, value -> value instanceof Boolean flag ? flag : null, "true or false");
    }

    /** @param wrong stands in for what is none of those, so that one mistake is told once @param as gives null for these */
    private <T> T read(String key, Object value, T otherwise, T wrong, Function<Object, T> as, String must) {
        if (value == null) {
            return otherwise;
        }
        T read = as.apply(value);
        if (read == null) {
            problems.add(key + " is " + quoted(value) + "; must be " + must);
        }
        return read == null ? wrong : read;
    }

    Activation activation(String key, String otherwise) {
        Object value = raw.getOrDefault(key, otherwise);
        Activation found = value instanceof String name ? ACTIVATIONS.get(name) : null;
        if (found == null) {
            problems.add(key + " is " + quoted(value) + "; supported are " + String.join(", ", ACTIVATIONS.keySet()));
            return Activation.GELU;
        }
        return found;
    }

    /**
     * The turn of queries and keys, from {@code rope_parameters} (transformers 5) or {@code rope_scaling} and what lies
     * beside it.
     *
     * @param head    numbers of a head
     * @param base    key of the base outside, if it is not inside
     * @param share   key of the share of a head that turns, outside; null: all of it does
     * @param context for a scaling that does not say which context the model had first
     */
    Rotary rotary(long head, String base, String share, double shareOtherwise, long context) {
        Map<?, ?> inside = object(raw.get("rope_parameters") != null ? "rope_parameters" : "rope_scaling");
        Object type = inside.get("rope_type") != null ? inside.get("rope_type") : inside.get("type");
        double theta = number("rope_theta", inside.get("rope_theta"), number(base, raw.get(base), 10000));
        double part = number("partial_rotary_factor", inside.get("partial_rotary_factor"),
                share == null ? 1 : number(share, raw.get(share), shareOtherwise));
        long size = (long) (part * head);
        if (!(part > 0 && part <= 1) || size < 2 || size % 2 != 0 || share == null && part != 1) {
            problems.add((share == null ? "partial_rotary_factor" : share) + " is " + part + " of a head of " + head
                    + (share != null ? "; must make an even share of it, up to all"
                    : part == 1 ? "; a head that turns is even" : "; here all of a head turns"));
        }
        if (!(theta > 0) || theta == Double.POSITIVE_INFINITY) {
            problems.add(base + " is " + theta + "; must be positive");
        }
        return switch (type == null ? "default" : String.valueOf(type)) {
            case "default" -> Rotary.plain(size, theta);
            case "linear" -> new Rotary(size, theta, Scaling.LINEAR, factor(inside, "factor"), 0, 0, 0);
            case "llama3" -> llama3(inside, size, theta, context);
            default -> {
                problems.add("rope_type is " + quoted(type) + "; supported are default, linear and llama3");
                yield Rotary.plain(size, theta);
            }
        };
    }

    private Rotary llama3(Map<?, ?> inside, long size, double theta, long context) {
        Object old = inside.get("original_max_position_embeddings");
        double low = factor(inside, "low_freq_factor"), high = factor(inside, "high_freq_factor");
        if (!(high > low)) {
            problems.add("high_freq_factor is " + high + "; must be larger than low_freq_factor " + low);
        }
        return new Rotary(size, theta, Scaling.LLAMA3, factor(inside, "factor"), low, high,
                old == null ? context : (long) number("original_max_position_embeddings", old, 1));
    }

    private double factor(Map<?, ?> inside, String key) {
        double value = number(key, inside.get(key), 0);
        if (!(value > 0) || key.equals("factor") && value < 1) {
            problems.add(key + " of the rotary scaling is " + (inside.get(key) == null ? "missing" : quoted(inside.get(key)))
                    + "; must be " + (key.equals("factor") ? "1 or more" : "positive"));
            return 1;
        }
        return value;
    }

    private double number(String key, Object value, double otherwise) {
        return read(key, value, otherwise, otherwise, given -> given instanceof Number number ? number.doubleValue() : null, "a number");
    }

    private Map<?, ?> object(String key) {
        return read(key, raw.get(key), Map.of(), Map.of(), value -> value instanceof Map<?, ?> map
                && map.values().stream().noneMatch(Map.class::isInstance) ? map : null, "one object for all layers");
    }

    void divisible(String whole, long number, String by, long divisor) {
        if (number > 0 && divisor > 0 && number % divisor != 0) {
            problems.add(whole + " " + number + " is not divisible by " + by + " " + divisor);
        }
    }

    /** What no model that Lethe runs has. */
    void refuseOthers() {
        for (String key : EXPERTS) {
            if (raw.get(key) instanceof Number number && number.doubleValue() > 0) {
                problems.add(key + " is " + number + "; mixtures of experts are not supported");
            }
        }
        for (String key : List.of("add_cross_attention", "is_encoder_decoder")) {
            if (flag(key, false)) {
                problems.add(key + " is true; this variant is not supported");
            }
        }
        Object quantised = raw.get("quantization_config");
        if (quantised != null) {
            Object method = quantised instanceof Map<?, ?> map ? map.get("quant_method") : null;
            problems.add("quantization_config is present" + (method == null ? "" : " (" + method + ")")
                    + "; Lethe reads unquantised weights only");
        }
    }

    static String quoted(Object value) {
        String text = String.valueOf(value);
        String shown = text.length() > 60 ? text.substring(0, 60) + "…" : text;
        return value instanceof String ? "\"" + shown + "\"" : shown;
    }

    /** The name of an activation in a new config.json. */
    static String name(Activation activation) {
        return ACTIVATIONS.entrySet().stream().filter(entry -> entry.getValue() == activation).findFirst().orElseThrow()
                .getKey();
    }

    private static Map<String, Activation> activations() {
        Map<String, Activation> names = new LinkedHashMap<>();
        names.put("gelu_new", Activation.GELU_TANH);
        names.put("gelu_pytorch_tanh", Activation.GELU_TANH);
        names.put("gelu_fast", Activation.GELU_TANH);
        names.put("gelu", Activation.GELU);
        names.put("relu", Activation.RELU);
        names.put("silu", Activation.SILU);
        names.put("swish", Activation.SILU);
        names.put("tanh", Activation.TANH);
        return names;
    }
}
