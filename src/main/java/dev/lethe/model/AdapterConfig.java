package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Problems;
import dev.lethe.engine.ModelLayout;
import dev.lethe.settings.Lora;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.ModelShape.Adapter;
import dev.lethe.shape.Site;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * peft's {@code adapter_config.json} of a LoRA adapter: which modules it is on, with which rank and scale, by peft's rules. What
 * makes other arithmetic than LoRA's is refused by name; fields that only say how the adapter began or was trained are not
 * looked at.
 *
 * @param raw the file's keys and values, in its order; unmodifiable
 */
record AdapterConfig(Map<String, Object> raw) {
    static final String FILE = "adapter_config.json";
    static final String BASE = "base_model_name_or_path";
    static final String ALL_LINEAR = "all-linear";

    /** Fields that make something else of a LoRA adapter wherever they are not null, false or empty. */
    private static final Map<String, String> VARIANTS = Map.ofEntries(Map.entry("use_dora", "DoRA"),
            Map.entry("use_qalora", "QA-LoRA"), Map.entry("use_bdlora", "BD-LoRA"),
            Map.entry("alora_invocation_tokens", "activated LoRA"), Map.entry("kasa_config", "KaSA"),
            Map.entry("velora_config", "VeLoRA"), Map.entry("monteclora_config", "MonteCLoRA"),
            Map.entry("arrow_config", "Arrow routing"), Map.entry("loftq_config", "LoftQ"),
            Map.entry("modules_to_save", "whole modules beside the adapter"),
            Map.entry("trainable_token_indices", "trained rows of the token table"),
            Map.entry("target_parameters", "adapters on parameters that are no modules"),
            Map.entry("layer_replication", "repeated layers"), Map.entry("megatron_config", "Megatron"),
            Map.entry("lora_bias", "biases of the adapter"));
    private static final String WEIGHT = ".weight";
    private static final int LONGEST_PATTERN = 4096;
    /** A group with a repetition in it that is itself repeated. */
    private static final Pattern NESTED = Pattern.compile("[*+}][^()]*\\)[*+{]");
    /** Ways to begin that change the base's weights, which the adapter alone then does not tell. */
    private static final Pattern CHANGES_BASE = Pattern.compile("(?i)(pissa|olora|corda|loftq|lora_ga).*");

    AdapterConfig {
        raw = Collections.unmodifiableMap(new LinkedHashMap<>(raw));
    }

    /** @throws BadInputException with all that is not read at once */
    static AdapterConfig read(Path folder) {
        Path file = folder.resolve(FILE);
        AdapterConfig config = new AdapterConfig(Json.object(file));
        Problems problems = new Problems();
        config.refuseOthers(problems);
        config.checkPatterns(problems);
        problems.throwIfAny(file);
        return config;
    }

    /** Of a new adapter on these modules of a base; complete for peft's from_pretrained. */
    static AdapterConfig of(Lora lora, ModelSettings base) {
        Map<String, Object> raw = new TreeMap<>();
        raw.put("peft_type", "LORA");
        raw.put("task_type", "CAUSAL_LM");
        raw.put("inference_mode", true);
        raw.put("r", lora.rank());
        raw.put("lora_alpha", lora.alpha() == Math.rint(lora.alpha()) ? (Object) (long) lora.alpha() : lora.alpha());
        raw.put("lora_dropout", 0.0);
        raw.put("bias", "none");
        raw.put("use_rslora", false);
        raw.put("fan_in_fan_out", base.type() == ModelType.GPT2); // its modules are transformers' Conv1D
        raw.put("init_lora_weights", true);
        raw.put("target_modules", LoraTargets.of(lora, base.shape()));
        return new AdapterConfig(raw);
    }

    private void refuseOthers(Problems problems) {
        Object type = raw.get("peft_type");
        if (!"LORA".equals(type)) {
            problems.add("peft_type is " + (type == null ? "missing" : ConfigFields.quoted(type)) + "; Lethe reads LORA");
        }
        Object task = raw.get("task_type");
        if (task != null && !"CAUSAL_LM".equals(task)) {
            problems.add("task_type is " + ConfigFields.quoted(task) + "; Lethe reads CAUSAL_LM");
        }
        raw.forEach((key, value) -> {
            if (isSet(value) && (VARIANTS.containsKey(key) || key.startsWith("use_") && !key.equals("use_rslora"))) {
                problems.add(key + " is " + ConfigFields.quoted(value) + " ("
                        + VARIANTS.getOrDefault(key, "not known to Lethe") + "); only plain LoRA is read");
            }
        });
        Object bias = raw.get("bias");
        if (bias != null && !"none".equals(bias)) {
            problems.add("bias is " + ConfigFields.quoted(bias) + "; trained biases are not read, only none");
        }
        if (raw.get("init_lora_weights") instanceof String how && CHANGES_BASE.matcher(how).matches()) {
            problems.add("init_lora_weights is " + ConfigFields.quoted(how) + ", which changes the base's weights too; let peft"
                    + " convert it to plain LoRA: save_pretrained(path_initial_model_for_weight_conversion=...)");
        }
    }

    private static boolean isSet(Object value) {
        return !(value == null || Boolean.FALSE.equals(value) || value instanceof Map<?, ?> map && map.isEmpty()
                || value instanceof List<?> list && list.isEmpty());
    }

    /** What it calls its base; null when it does not say. */
    String base() {
        return raw.get(BASE) instanceof String name && !name.isBlank() ? name : null;
    }

    /** Dropout that it was trained with: nothing is dropped here. */
    double dropout() {
        return raw.get("lora_dropout") instanceof Number number ? number.doubleValue() : 0;
    }

    AdapterConfig withBase(Path folder) {
        Map<String, Object> changed = new LinkedHashMap<>(raw);
        changed.put(BASE, folder.toString());
        return new AdapterConfig(changed);
    }

    /** Keys sorted, as peft does. */
    String toJson() {
        return Json.text(new TreeMap<>(raw));
    }

    /**
     * The adapters that this makes on a base, in the order of its tensors.
     *
     * @param place what opens a message
     * @throws BadInputException when a target is not there or no linear module, or a number is out of range
     */
    List<Adapter> adapters(ModelSettings base, Path place) {
        Problems problems = new Problems();
        List<Adapter> adapters = new ArrayList<>();
        List<String> linear = modules(base.shape(), true), others = modules(base.shape(), false);
        Set<String> unmatched = new LinkedHashSet<>(targetList());
        for (String module : linear) {
            String name = base.type().written(module + WEIGHT).replace(WEIGHT, "");
            unmatched.removeIf(target -> endsWith(name, target));
            if (isTarget(name)) {
                adapter(module, name, problems, adapters);
            }
        }
        for (String module : others) {
            String name = base.type().written(module + WEIGHT).replace(WEIGHT, "");
            if (unmatched.removeIf(target -> endsWith(name, target)) || !isAllLinear() && isTarget(name)) {
                problems.add("target_modules name " + name + ", which is no linear module of the blocks; adapters on embeddings,"
                        + " norms and the head are not read");
            }
        }
        if (!unmatched.isEmpty()) {
            problems.add("target_modules name " + String.join(", ", unmatched) + ", which a " + base.type().key()
                    + " does not have; it has " + String.join(", ", LoraTargets.lastNames(linear)));
        } else if (adapters.isEmpty() && problems.isEmpty()) {
            problems.add("target_modules is " + ConfigFields.quoted(raw.get("target_modules")) + ", which names no module of a "
                    + base.type().key() + " of " + base.shape().layers() + " layers; it has "
                    + String.join(", ", LoraTargets.lastNames(linear)));
        }
        problems.throwIfAny(place);
        return adapters;
    }

    /** Modules with a matrix, or all others, as the engine names them, in its order. */
    static List<String> modules(ModelShape shape, boolean linear) {
        ModelLayout layout = ModelLayout.of(shape.withAdapters(List.of()));
        List<String> names = new ArrayList<>();
        for (ModelLayout.TensorInfo tensor : layout.tensors()) {
            boolean matrix = layout.sites().get(tensor.site()).kind() == Site.Kind.LINEAR && tensor.dimensions() == 2;
            if (matrix == linear && tensor.name().endsWith(WEIGHT)) {
                names.add(tensor.name().substring(0, tensor.name().length() - WEIGHT.length()));
            }
        }
        String head = layout.sites().getLast().name();
        if (!linear && !names.contains(head)) {
            names.add(head); // tied, and a module all the same
        }
        return names;
    }

    private void adapter(String module, String name, Problems problems, List<Adapter> adapters) {
        Double rank = number("r", pattern("rank_pattern", name), 8, problems);
        Double alpha = number("lora_alpha", pattern("alpha_pattern", name), 8, problems);
        if (rank == null || alpha == null) {
            return;
        }
        if (!(rank >= 1 && rank == Math.rint(rank) && rank <= ConfigFields.LARGEST)) {
            problems.add("the rank of " + name + " is " + rank + "; must be a whole number from 1");
            return;
        }
        adapters.add(new Adapter(module, rank.longValue(),
                alpha / (Boolean.TRUE.equals(raw.get("use_rslora")) ? Math.sqrt(rank) : rank)));
    }

    private Double number(String key, Object own, double otherwise, Problems problems) {
        Object value = own != null ? own : raw.getOrDefault(key, otherwise);
        if (value instanceof Number number && Double.isFinite(number.doubleValue())) {
            return number.doubleValue();
        }
        problems.add(key + " is " + ConfigFields.quoted(value) + "; must be a number");
        return null;
    }

    /** The value of the first pattern that a module's name ends with, or null. */
    private Object pattern(String key, String name) {
        if (raw.get(key) instanceof Map<?, ?> patterns) {
            for (Map.Entry<?, ?> entry : patterns.entrySet()) {
                if (name.matches("(.*\\.)?(" + entry.getKey() + ")")) {
                    return entry.getValue();
                }
            }
        }
        return null;
    }

    private List<String> targetList() {
        return raw.get("target_modules") instanceof List<?> names ? names.stream().map(String::valueOf).toList() : List.of();
    }

    private boolean isAllLinear() {
        return raw.get("target_modules") instanceof String text && text.equalsIgnoreCase(ALL_LINEAR);
    }

    /** peft's check_target_module_exists. */
    private boolean isTarget(String name) {
        if (raw.get("exclude_modules") instanceof String regex ? name.matches(regex)
                : raw.get("exclude_modules") instanceof List<?> names
                        && names.stream().anyMatch(excluded -> endsWith(name, String.valueOf(excluded)))) {
            return false;
        }
        if (raw.get("target_modules") instanceof String regex) {
            return isAllLinear() || name.matches(regex);
        }
        return targetList().contains(name)
                || targetList().stream().anyMatch(target -> endsWith(name, target)) && inLayer(name);
    }

    private static boolean endsWith(String name, String target) {
        return name.equals(target) || name.endsWith("." + target);
    }

    private boolean inLayer(String name) {
        Object layers = raw.get("layers_to_transform");
        List<?> wanted = layers instanceof List<?> list ? list : layers == null ? List.of() : List.of(layers);
        if (wanted.isEmpty()) {
            return true;
        }
        List<String> patterns = layerPatterns();
        for (String pattern : patterns.isEmpty() ? List.of("[^.]*") : patterns) {
            Matcher index = Pattern.compile("(?:^|.*?\\.)" + pattern + "\\.(\\d+)\\..*").matcher(name);
            if (index.matches()) {
                int layer = Integer.parseInt(index.group(index.groupCount()));
                return wanted.stream().anyMatch(one -> one instanceof Number number && number.intValue() == layer);
            }
        }
        return false;
    }

    private List<String> layerPatterns() {
        Object patterns = raw.get("layers_pattern");
        return patterns instanceof List<?> list ? list.stream().map(String::valueOf).toList()
                : patterns instanceof String text && !text.isEmpty() ? List.of(text) : List.of();
    }

    /** Names of modules are short and a config's patterns are few: only those that could take long all the same are refused. */
    private void checkPatterns(Problems problems) {
        Map<String, List<?>> all = new LinkedHashMap<>();
        all.put("layers_pattern", layerPatterns());
        for (String key : List.of("target_modules", "exclude_modules")) {
            all.put(key, raw.get(key) instanceof String regex ? List.of(regex) : List.of());
        }
        for (String key : List.of("rank_pattern", "alpha_pattern")) {
            all.put(key, raw.get(key) instanceof Map<?, ?> map ? List.copyOf(map.keySet()) : List.of());
        }
        all.forEach((key, patterns) -> patterns.forEach(pattern -> {
            String regex = String.valueOf(pattern);
            try {
                if (regex.length() > LONGEST_PATTERN || NESTED.matcher(regex).find()) {
                    throw new PatternSyntaxException("it is too long, or repeats what repeats", regex, -1);
                }
                Pattern.compile("(" + regex + ")");
            } catch (PatternSyntaxException e) {
                problems.add(key + " has the pattern " + ConfigFields.quoted(regex) + ", which is not accepted: " + e.getDescription());
            }
        }));
    }
}
