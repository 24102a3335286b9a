package dev.lethe.spec;

import dev.lethe.base.Reason;
import dev.lethe.base.Settings;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;

/**
 * One JSON object while a spec is read: typed fields by name. Nothing throws; whatever is wrong is noted with its JSON
 * path, so that one reading tells all of it.
 */
final class SpecFields {
    final String path;
    private final JsonNode node;
    private final List<String> problems;
    private final Set<String> asked = new LinkedHashSet<>();

    SpecFields(String path, JsonNode node, List<String> problems) {
        this.path = path;
        this.node = node;
        this.problems = problems;
    }

    void problem(String key, String message) {
        problems.add((key.isEmpty() ? path : key.startsWith("[") ? path + key : path + "." + key) + ": " + message);
    }

    boolean has(String key) {
        asked.add(key);
        return node.hasNonNull(key);
    }

    private JsonNode of(String key, String kind, Function<JsonNode, Boolean> fits) {
        if (!has(key)) {
            return null;
        }
        JsonNode value = node.get(key);
        if (!fits.apply(value)) {
            problem(key, "is " + brief(value) + ", must be " + kind);
            return null;
        }
        return value;
    }

    String text(String key, String fallback) {
        JsonNode value = of(key, "a string", JsonNode::isString);
        return value == null ? fallback : value.asString();
    }

    String needed(String key, String what) {
        if (!has(key)) {
            problem(key, "is missing: " + what);
        }
        return text(key, null);
    }

    double number(String key, double fallback, double least, double most) {
        JsonNode value = of(key, "a number", JsonNode::isNumber);
        double number = value == null ? fallback : value.asDouble();
        if (value != null && !(number >= least && number <= most)) {
            problem(key, "is " + value + ", must be " + range(least, most));
        }
        return number;
    }

    int whole(String key, int fallback, int least, int most) {
        JsonNode value = of(key, "a whole number", JsonNode::isIntegralNumber);
        if (value != null && !(value.canConvertToInt() && value.asInt() >= least && value.asInt() <= most)) {
            problem(key, "is " + value + ", must be " + range(least, most));
            return fallback;
        }
        return value == null ? fallback : value.asInt();
    }

    /** One value or a list of them, as text; null when absent. */
    List<String> texts(String key) {
        return list(key, "a string", value -> value.isString() || value.isIntegralNumber(), JsonNode::asString);
    }

    List<Long> longs(String key) {
        return list(key, "a whole number", JsonNode::isIntegralNumber, JsonNode::asLong);
    }

    List<Integer> wholes(String key) {
        return list(key, "a whole number", JsonNode::isInt, JsonNode::asInt);
    }

    Set<String> set(String key) {
        List<String> list = texts(key);
        return list == null ? null : new LinkedHashSet<>(list);
    }

    private <T> List<T> list(String key, String kind, Function<JsonNode, Boolean> fits, Function<JsonNode, T> read) {
        if (!has(key)) {
            return null;
        }
        JsonNode value = node.get(key);
        List<T> list = new ArrayList<>();
        for (int i = 0; i < (value.isArray() ? value.size() : 1); i++) {
            JsonNode item = value.isArray() ? value.get(i) : value;
            if (!fits.apply(item)) {
                problem(key + (value.isArray() ? "[" + i + "]" : ""), "is " + brief(item) + ", must be " + kind);
            } else if (list.contains(read.apply(item))) {
                problem(key + "[" + i + "]", item + " occurs twice");
            } else {
                list.add(read.apply(item));
            }
        }
        if (value.isEmpty() && value.isArray()) {
            problem(key, "is empty");
        }
        return list;
    }

    /** Null when absent or no object. */
    SpecFields object(String key) {
        JsonNode value = of(key, "an object", JsonNode::isObject);
        return value == null ? null : new SpecFields(path + "." + key, value, problems);
    }

    List<SpecFields> objects(String key) {
        List<SpecFields> objects = new ArrayList<>();
        JsonNode value = of(key, "a list of objects", JsonNode::isArray);
        for (int i = 0; value != null && i < value.size(); i++) {
            if (value.get(i).isObject()) {
                objects.add(new SpecFields(path + "." + key + "[" + i + "]", value.get(i), problems));
            } else {
                problem(key + "[" + i + "]", "is " + brief(value.get(i)) + ", must be an object");
            }
        }
        return objects;
    }

    Map<String, SpecFields> named(String key) {
        Map<String, SpecFields> named = new LinkedHashMap<>();
        SpecFields all = object(key);
        if (all != null) {
            for (String name : all.node.propertyNames()) {
                SpecFields one = all.object(name);
                if (one != null) {
                    named.put(name, one);
                }
            }
        }
        return named;
    }

    /** Numbers, strings and lists of numbers by key, for options that another class reads; null values are not there. */
    Map<String, Object> options() {
        Map<String, Object> options = new LinkedHashMap<>();
        for (String key : node.propertyNames()) {
            JsonNode value = node.get(key);
            asked.add(key);
            if (value.isNumber()) {
                options.put(key, number(value));
            } else if (value.isArray() && !value.isEmpty() && value.valueStream().allMatch(JsonNode::isNumber)) {
                List<Object> numbers = value.valueStream().map(SpecFields::number).distinct().toList();
                if (numbers.size() < value.size()) {
                    problem(key, "is " + brief(value) + ", in which a number occurs twice");
                }
                options.put(key, numbers);
            } else if (value.isString()) {
                options.put(key, value.asString());
            } else {
                problem(key, "is " + brief(value) + ", must be a number, a list of numbers or a string");
            }
        }
        return options;
    }

    private static Object number(JsonNode value) {
        return value.isIntegralNumber() ? (Object) value.asLong() : (Object) value.asDouble();
    }

    /** Sets what is there by its name; an object's entries as NAME.ENTRY, a list with commas. What is not known is left for {@link #done}. */
    void into(Settings settings) {
        settings.list().forEach(setting -> asked.add(setting.name().replace(".", "")));
        for (String key : node.propertyNames()) {
            JsonNode value = node.get(key);
            if (value.isObject() && settings.find(key + ".x") != null) {
                value.propertyNames().forEach(name -> set(settings, key, key + "." + name, value.get(name)));
            } else if (settings.find(key) != null && !value.isNull()) {
                set(settings, key, key, value);
            }
        }
    }

    private void set(Settings settings, String key, String name, JsonNode value) {
        try {
            if (value.isObject() || value.valueStream().anyMatch(JsonNode::isContainer)) {
                throw new IllegalArgumentException("must be one value");
            }
            settings.set(name, value.isArray() ? value.valueStream().map(SpecFields::word).collect(Collectors.joining(",")) : word(value));
        } catch (IllegalArgumentException e) {
            problem(key, Reason.of(e));
        }
    }

    private static String word(JsonNode value) {
        return value.isString() ? value.asString() : value.toString();
    }

    /** Notes every key that nobody asked for. */
    void done() {
        for (String key : node.propertyNames()) {
            if (!asked.contains(key)) {
                problem(key, "is not known here; known are " + String.join(", ", asked));
            }
        }
    }

    private static String range(double least, double most) {
        String low = least == Math.rint(least) && Math.abs(least) < 1e9 ? Long.toString((long) least) : Double.toString(least);
        return most >= Integer.MAX_VALUE ? "at least " + low
                : low + " to " + (most == Math.rint(most) ? Long.toString((long) most) : Double.toString(most));
    }

    private static String brief(JsonNode value) {
        String text = value.toString();
        return value.isObject() ? "an object" : value.isArray() ? "a list" : text.length() > 40 ? text.substring(0, 40) + "…" : text;
    }
}
