package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.ModelLayout;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.Site.Role;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * A LoRA adapter that is to be made: {@code r=16,alpha=32,dropout=0,targets=attention}.
 *
 * @param rank    of every module
 * @param alpha   scale times rank
 * @param modules attention, mlp, all, or names of modules as peft's target_modules has them
 */
public record Lora(long rank, double alpha, List<String> modules) {
    private static final Map<String, Set<Role>> WORDS = Map.of(
            "attention", EnumSet.of(Role.ATTENTION_INPUT, Role.ATTENTION_OUTPUT),
            "mlp", EnumSet.of(Role.MLP_INPUT, Role.MLP_OUTPUT),
            "all", EnumSet.of(Role.ATTENTION_INPUT, Role.ATTENTION_OUTPUT, Role.MLP_INPUT, Role.MLP_OUTPUT));
    private static final long RANK = 16;

    public Lora {
        modules = List.copyOf(modules);
    }

    /**
     * Reads {@code r=N,alpha=X,dropout=0,targets=attention|mlp|all|NAME,NAME}, each of which may be left out: rank 16, alpha
     * twice the rank, all linear modules.
     *
     * @throws BadInputException saying everything that is wrong
     */
    public static Lora parse(String text) {
        List<String> problems = new ArrayList<>(), targets = new ArrayList<>();
        Double rank = null, alpha = null, dropout = null;
        boolean naming = false;
        for (String part : text.split(",", -1)) {
            String[] pair = part.strip().split("=", 2);
            String name = pair[0].strip(), value = pair[pair.length - 1].strip();
            if (value.isEmpty() || pair.length == 1 && !naming) {
                problems.add("'" + part.strip() + "' is not name=value with a name of r, alpha, dropout, targets");
                continue;
            }
            naming = pair.length == 1 || name.equals("targets");
            switch (naming ? "targets" : name) {
                case "targets" -> targets.add(value);
                case "r" -> rank = number(name, value, rank, problems);
                case "alpha" -> alpha = number(name, value, alpha, problems);
                case "dropout" -> dropout = number(name, value, dropout, problems);
                default -> problems.add("'" + name + "' is not one of r, alpha, dropout, targets");
            }
        }
        double wanted = rank == null ? RANK : rank;
        if (!(wanted >= 1 && wanted == Math.rint(wanted) && wanted <= ConfigFields.LARGEST)) {
            problems.add("r is " + wanted + "; must be a whole number from 1");
        }
        if (alpha != null && !(alpha > 0)) {
            problems.add("alpha is " + alpha + "; must be above 0");
        }
        if (dropout != null && dropout != 0) {
            problems.add("dropout is " + dropout + "; Lethe trains without dropout, so that a record's gradient is its own");
        }
        if (!problems.isEmpty()) {
            throw new BadInputException("lora " + text + ": " + String.join("; ", problems)
                    + "; write for example r=16,alpha=32,targets=attention");
        }
        return new Lora((long) wanted, alpha == null ? 2 * wanted : alpha, targets.isEmpty() ? List.of("all") : targets);
    }

    private static Double number(String name, String value, Double before, List<String> problems) {
        if (before != null) {
            problems.add(name + " is given twice");
        }
        try {
            double number = Double.parseDouble(value);
            if (Double.isFinite(number)) {
                return number;
            }
        } catch (NumberFormatException e) {
            // told below
        }
        problems.add(name + " is " + value + "; must be a number");
        return before;
    }

    /** As {@link #parse} reads it. */
    @Override
    public String toString() {
        String number = alpha == Math.rint(alpha) ? String.format(Locale.ROOT, "%.0f", alpha) : String.valueOf(alpha);
        return "r=" + rank + ",alpha=" + number + ",targets=" + String.join(",", modules);
    }

    /** peft's target_modules: of each module the end of its name, as short as tells it from those that are not meant. */
    List<String> targets(ModelShape shape) {
        List<String> linear = AdapterConfig.modules(shape, true);
        Set<String> meant = new LinkedHashSet<>(), targets = new TreeSet<>();
        Map<String, Role> roles = roles(shape);
        for (String word : modules) {
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
