package dev.lethe.model;

import dev.lethe.engine.ModelLayout;
import dev.lethe.settings.Lora;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.Site.Role;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** Which modules of a model an adapter is for, by peft's names. */
final class LoraTargets {
    private static final Map<String, Set<Role>> WORDS = Map.of(
            "attention", EnumSet.of(Role.ATTENTION_INPUT, Role.ATTENTION_OUTPUT),
            "mlp", EnumSet.of(Role.MLP_INPUT, Role.MLP_OUTPUT),
            "all", EnumSet.of(Role.ATTENTION_INPUT, Role.ATTENTION_OUTPUT, Role.MLP_INPUT, Role.MLP_OUTPUT));

    private LoraTargets() { }

    /** peft's target_modules: of each module the end of its name, as short as tells it from those that are not meant. */
    static List<String> of(Lora lora, ModelShape shape) {
        List<String> linear = AdapterConfig.modules(shape, true);
        Set<String> meant = new LinkedHashSet<>(), targets = new TreeSet<>();
        Map<String, Role> roles = roles(shape);
        for (String word : lora.modules()) {
            Set<Role> wanted = WORDS.get(word);
            if (wanted == null) {
                targets.add(word);
            } else {
                linear.stream().filter(module -> wanted.contains(roles.get(module))).forEach(meant::add);
            }
        }
        for (String module : meant) {
            String end = end(module, 1);
            boolean other = linear.stream().anyMatch(one -> end(one, 1).equals(end) && !meant.contains(one));
            targets.add(other ? end(module, 2) : end);
        }
        return List.copyOf(targets);
    }

    private static Map<String, Role> roles(ModelShape shape) {
        Map<String, Role> roles = new HashMap<>();
        ModelLayout layout = ModelLayout.of(shape.withAdapters(List.of()));
        for (ModelLayout.TensorInfo tensor : layout.tensors()) {
            roles.put(tensor.name().replaceFirst("\\.weight$", ""), layout.sites().get(tensor.site()).role());
        }
        return roles;
    }

    /** The different last parts of names. */
    static Set<String> lastNames(List<String> modules) {
        Set<String> names = new LinkedHashSet<>();
        modules.forEach(module -> names.add(end(module, 1)));
        return names;
    }

    private static String end(String module, int parts) {
        int at = module.length();
        for (int i = 0; i < parts && at >= 0; i++) {
            at = module.lastIndexOf('.', at - 1);
        }
        return module.substring(at + 1);
    }
}
