package dev.lethe.template;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.exptest.ExpTest;
import com.hubspot.jinjava.lib.filter.Filter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.BiPredicate;

/** The filters and tests that chat templates use, as Jinja2 has them. Of a variable that is not there they take none. */
final class JinjaWords {
    /** What one makes of a value and its arguments; null for arguments it does not take. */
    private interface Word {
        Object of(Object value, Object[] arguments);
    }

    private static final Map<String, Word> WORDS = new HashMap<>();
    private static final Map<String, BiPredicate<Object, Object>> TEST = new HashMap<>();

    static {
        WORDS.put("trim", (value, arguments) -> PythonText.strip(text(value),
                arguments.length > 0 ? text(arguments[0]) : null, true, true));
        WORDS.put("upper", (value, _) -> text(value).toUpperCase(Locale.ROOT));
        WORDS.put("lower", (value, _) -> text(value).toLowerCase(Locale.ROOT));
        WORDS.put("capitalize", (value, _) -> PythonText.capitalize(text(value)));
        WORDS.put("string", (value, _) -> text(value));
        WORDS.put("safe", (value, _) -> text(value));
        WORDS.put("length", (value, _) -> length(value));
        WORDS.put("count", (value, _) -> length(value));
        WORDS.put("list", (value, _) -> value instanceof Map<?, ?> map ? new ArrayList<>(map.keySet()) : list(value));
        WORDS.put("first", (value, _) -> list(value).isEmpty() ? "" : list(value).getFirst());
        WORDS.put("last", (value, _) -> list(value).isEmpty() ? "" : list(value).getLast());
        WORDS.put("reverse", (value, _) -> value instanceof String text ? new StringBuilder(text).reverse().toString()
                : list(value).reversed());
        WORDS.put("join", (value, arguments) -> PythonText.join(arguments.length > 0 ? text(arguments[0]) : "", list(value)));
        WORDS.put("replace", (value, arguments) -> arguments.length != 2 ? null
                : PythonText.replace(text(value), text(arguments[0]), text(arguments[1]), -1));
        WORDS.put("default", JinjaWords::orElse);
        WORDS.put("d", JinjaWords::orElse);
        WORDS.put("tojson", (value, arguments) -> arguments.length > 0 ? null : PythonText.json(value));
        WORDS.put("items", (value, _) -> value instanceof Map<?, ?> map
                ? map.entrySet().stream().map(entry -> Arrays.asList(entry.getKey(), entry.getValue())).toList() : null);
        WORDS.put("selectattr", (value, arguments) -> select(value, arguments, true));
        WORDS.put("rejectattr", (value, arguments) -> select(value, arguments, false));

        TEST.put("defined", (value, _) -> value != null);
        TEST.put("undefined", (value, _) -> value == null);
        TEST.put("none", (value, _) -> value == null);
        TEST.put("string", (value, _) -> value instanceof CharSequence);
        TEST.put("mapping", (value, _) -> value instanceof Map);
        TEST.put("sequence", (value, _) -> value instanceof CharSequence || value instanceof List || value instanceof Map);
        TEST.put("iterable", (value, _) -> value instanceof CharSequence || value instanceof List || value instanceof Map);
        TEST.put("number", (value, _) -> value instanceof Number || value instanceof Boolean);
        TEST.put("boolean", (value, _) -> value instanceof Boolean);
        TEST.put("true", (value, _) -> Boolean.TRUE.equals(value));
        TEST.put("false", (value, _) -> Boolean.FALSE.equals(value));
        TEST.put("odd", (value, _) -> value instanceof Number number && number.longValue() % 2 != 0);
        TEST.put("even", (value, _) -> value instanceof Number number && number.longValue() % 2 == 0);
        for (String name : List.of("eq", "equalto", "==")) {
            TEST.put(name, JinjaWords::equal);
        }
        for (String name : List.of("ne", "!=")) {
            TEST.put(name, (value, other) -> !equal(value, other));
        }
        TEST.put("in", (value, other) -> other instanceof Map<?, ?> map ? map.containsKey(value)
                : other instanceof String whole ? whole.contains(text(value)) : list(other).contains(value));
    }

    static final Set<String> FILTERS = Set.copyOf(WORDS.keySet());
    static final Set<String> TESTS = Set.copyOf(TEST.keySet());

    private JinjaWords() { }

    static List<Filter> filters() {
        return WORDS.entrySet().stream().<Filter>map(entry -> new Named(entry.getKey(), entry.getValue())).toList();
    }

    static List<ExpTest> tests() {
        return TEST.entrySet().stream().<ExpTest>map(entry -> new Test(entry.getKey(), entry.getValue())).toList();
    }

    private static String text(Object value) {
        return value == null ? "" : PythonText.shown(value);
    }

    private static Object length(Object value) {
        return value instanceof Map<?, ?> map ? (long) map.size()
                : value instanceof String text ? (long) text.codePointCount(0, text.length()) : (long) list(value).size();
    }

    private static List<?> list(Object value) {
        return switch (value) {
            case List<?> list -> list;
            case String text -> text.codePoints().mapToObj(Character::toString).toList();
            case null -> List.of();
            default -> throw new JinjaSandbox.Unknown("a list is taken of what is none");
        };
    }

    private static Object orElse(Object value, Object[] arguments) {
        Object other = arguments.length > 0 ? arguments[0] : "";
        boolean falseToo = arguments.length > 1 && PythonText.isTrue(arguments[1]);
        return value == null || falseToo && !PythonText.isTrue(value) ? other == null ? "" : other : value;
    }

    private static boolean equal(Object value, Object other) {
        return value instanceof Number one && other instanceof Number two ? one.doubleValue() == two.doubleValue()
                : Objects.equals(value, other);
    }

    /** Those whose attribute passes a test, or is true where none is named. */
    private static List<?> select(Object value, Object[] arguments, boolean wanted) {
        BiPredicate<Object, Object> test = arguments.length == 1 ? (item, _) -> PythonText.isTrue(item)
                : arguments.length > 1 && arguments.length < 4 ? TEST.get(text(arguments[1])) : null;
        if (test == null) {
            return null;
        }
        Object other = arguments.length > 2 ? arguments[2] : null;
        return list(value).stream().filter(item -> item instanceof Map<?, ?> map
                && test.test(map.get(text(arguments[0])), other) == wanted).toList();
    }

    private record Named(String name, Word word) implements Filter {
        @Override
        public String getName() {
            return name;
        }

        @Override
        public Object filter(Object value, JinjavaInterpreter interpreter, Object[] arguments, Map<String, Object> named) {
            Object result = named.isEmpty() ? word.of(value, arguments) : null;
            if (result == null) {
                throw new JinjaSandbox.Unknown("filter " + name + " with arguments that it does not take here");
            }
            return result;
        }

        @Override
        public Object filter(Object value, JinjavaInterpreter interpreter, String... arguments) {
            return filter(value, interpreter, arguments, Map.of());
        }
    }

    private record Test(String name, BiPredicate<Object, Object> test) implements ExpTest {
        @Override
        public String getName() {
            return name;
        }

        @Override
        public boolean evaluate(Object value, JinjavaInterpreter interpreter, Object... arguments) {
            return test.test(value, arguments.length > 0 ? arguments[0] : null);
        }
    }
}
