package dev.lethe.base;

import com.fasterxml.jackson.annotation.JsonIgnore;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.DoubleConsumer;
import java.util.function.IntConsumer;
import java.util.function.LongConsumer;

/**
 * Settings by name: the one place that says what each is called, what it is unless set, what it does and what it sets. The
 * command's options, {@code --set} and help ask it, and so do the specs of studies. Ranges are checked by what is built of
 * them. One thread.
 */
public final class Settings {
    /**
     * @param name    such as {@code retain_guard}; one that ends in a dot goes on with a name of the user's choice
     * @param label   what a value looks like
     * @param usual   the value where it is not set; empty where {@code says} tells it, or where it does not count
     * @param says    what it does, without a full stop
     * @param section whose it is
     * @param refusal why it does not count here, or null
     * @param set     takes a value as it was written
     */
    public record Setting(String name, String label, String usual, String says, String section, String refusal,
                          @JsonIgnore Consumer<String> set) {
        /** What it does and its default, as help shows it. */
        public String help() {
            return says + (usual.isEmpty() ? "." : " (default: " + usual + ").");
        }
    }

    private final Map<String, Setting> all = new LinkedHashMap<>();
    private String section = "";
    private String refusal;

    /** Begins a section; {@code why} is null, or why its settings do not count here. */
    public Settings section(String title, String why) {
        section = title;
        refusal = why;
        return this;
    }

    public Settings section(String title) {
        return section(title, null);
    }

    /** A setting that is read by what it sets, which throws an {@link IllegalArgumentException} for what it does not know. */
    public Settings text(String name, String label, Object usual, String says, Consumer<String> set) {
        all.put(name, new Setting(name, label, refusal == null ? usual(usual) : "", says, section, refusal, set));
        return this;
    }

    public Settings whole(String name, int usual, String says, IntConsumer set) {
        return text(name, "N", usual, says, value -> set.accept((int) whole(value, Integer.MIN_VALUE, Integer.MAX_VALUE)));
    }

    /** The value, in a setter. @throws IllegalArgumentException when it is less */
    public static int atLeast(int least, int value) {
        if (value < least) {
            throw new IllegalArgumentException("must be at least " + least);
        }
        return value;
    }

    public Settings wholeLong(String name, long usual, String says, LongConsumer set) {
        return text(name, "N", usual, says, value -> set.accept(whole(value, Long.MIN_VALUE, Long.MAX_VALUE)));
    }

    public Settings number(String name, String label, Object usual, String says, DoubleConsumer set) {
        return text(name, label, usual, says, value -> {
            double number;
            try {
                number = Double.parseDouble(value);
            } catch (NumberFormatException e) {
                throw new IllegalArgumentException("must be a number", e);
            }
            set.accept(number);
        });
    }

    public Settings flag(String name, String says, Consumer<Boolean> set) {
        return text(name, "true|false", false, says, value -> {
            if (!value.equals("true") && !value.equals("false")) {
                throw new IllegalArgumentException("must be true or false");
            }
            set.accept(value.equals("true"));
        });
    }

    /** One of an enum's constants, in lower case. @param some those that may be chosen; none given = all */
    @SafeVarargs
    public final <E extends Enum<E>> Settings choice(String name, String label, E usual, String says, Consumer<E> set, E... some) {
        E[] known = some.length > 0 ? some : usual.getDeclaringClass().getEnumConstants();
        return text(name, label, usual, says, value -> set.accept(Arrays.stream(known)
                .filter(one -> usual(one).equals(value.toLowerCase(Locale.ROOT))).findFirst()
                .orElseThrow(() -> new IllegalArgumentException("must be one of "
                        + String.join(", ", Arrays.stream(known).map(Settings::usual).toList())))));
    }

    /** Leaves out all others. */
    public Settings only(String... names) {
        all.keySet().retainAll(Arrays.asList(names));
        return this;
    }

    /** Every setting, in the order of the table. */
    public List<Setting> list() {
        return List.copyOf(all.values());
    }

    /** The setting of that name, or null. */
    public Setting find(String name) {
        Setting exact = all.get(name);
        int dot = name.indexOf('.') + 1;
        return exact != null && !name.endsWith(".") || dot == 0 || dot == name.length() ? exact : all.get(name.substring(0, dot));
    }

    /** Sets a value. @throws IllegalArgumentException with the setting's name, for one that is not known or does not fit */
    public void set(String name, String value) {
        Setting setting = find(name);
        if (setting == null) {
            throw new IllegalArgumentException(name + " is no setting; the nearest is " + nearest(name, all.keySet()));
        }
        if (setting.refusal != null) {
            throw new IllegalArgumentException(name + setting.refusal);
        }
        try {
            setting.set.accept(setting.name.endsWith(".") ? name.substring(setting.name.length()) + "=" + value : value);
        } catch (IllegalArgumentException | BadInputException e) {
            throw new IllegalArgumentException(name + "=" + value + ": " + Reason.of(e), e);
        }
    }

    /** Sets all; what is wrong is added to {@code problems}. */
    public void set(Map<String, String> values, List<String> problems) {
        values.forEach((name, value) -> {
            try {
                set(name, value);
            } catch (IllegalArgumentException e) {
                problems.add(Reason.of(e));
            }
        });
    }

    /** That of {@code known}, of which there is one at least, with the fewest letters to be changed. */
    public static String nearest(String name, Collection<String> known) {
        String folded = name.toLowerCase(Locale.ROOT).replace('-', '_');
        return known.stream().min(Comparator.comparingInt(one -> edits(folded, one))).orElseThrow();
    }

    /** Letters to be put in, left out or changed. */
    private static int edits(String from, String to) {
        int[] row = new int[to.length() + 1];
        Arrays.setAll(row, i -> i);
        for (int i = 1; i <= from.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= to.length(); j++) {
                int changed = diagonal + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(changed, 1 + Math.min(diagonal, row[j - 1]));
            }
        }
        return row[to.length()];
    }

    private static long whole(String value, long least, long most) {
        try {
            long number = Long.parseLong(value);
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException e) {
            // told below, as one out of range is
        }
        throw new IllegalArgumentException("must be a whole number");
    }

    private static String usual(Object value) {
        return switch (value) {
            case null -> "";
            case Double number when number == Math.rint(number) && Math.abs(number) < 1e15 -> Long.toString(number.longValue());
            case Double number -> number.toString().replace(".0E", "e").replace('E', 'e');
            case Enum<?> one -> one.name().toLowerCase(Locale.ROOT).replace('_', '-');
            default -> value.toString();
        };
    }
}
