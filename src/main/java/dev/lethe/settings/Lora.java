package dev.lethe.settings;

import dev.lethe.base.BadInputException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A LoRA adapter that is to be made: {@code r=16,alpha=32,dropout=0,targets=attention}.
 *
 * @param rank    of every module
 * @param alpha   scale times rank
 * @param modules attention, mlp, all, or names of modules as peft's target_modules has them
 */
public record Lora(long rank, double alpha, List<String> modules) {
    private static final long RANK = 16;

    /** Copies its lists. */
    public Lora {
        modules = List.copyOf(modules);
    }

    /**
     * Reads {@code r=N,alpha=X,dropout=0,targets=attention|mlp|all|NAME,NAME}, each of which may be left out: rank 16, alpha
     * twice the rank, all linear modules.
     *
     * @param text as it is written
     * @return the adapter
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
        if (!(wanted >= 1 && wanted == Math.rint(wanted) && wanted <= 1 << 27)) {
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
}
