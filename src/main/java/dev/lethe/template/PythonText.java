package dev.lethe.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;

/** What Python's str does, where a chat template asks for it; null where it is none of these methods. */
public final class PythonText {
    private PythonText() { }

    /** The result of {@code text.name(arguments)}, or null for a method that is not known. */
    static Object call(String text, String name, Object[] arguments) {
        String first = arguments.length > 0 && arguments[0] instanceof String given ? given : null;
        String second = arguments.length > 1 && arguments[1] instanceof String given ? given : null;
        return switch (name) {
            case "strip" -> strip(text, first, true, true);
            case "lstrip" -> strip(text, first, true, false);
            case "rstrip" -> strip(text, first, false, true);
            case "upper" -> text.toUpperCase(Locale.ROOT);
            case "lower" -> text.toLowerCase(Locale.ROOT);
            case "title" -> title(text);
            case "capitalize" -> capitalize(text);
            case "startswith" -> first == null ? null : text.startsWith(first);
            case "endswith" -> first == null ? null : text.endsWith(first);
            case "find" -> first == null ? null : (long) codePoints(text, text.indexOf(first));
            case "count" -> first == null || first.isEmpty() ? null : (long) (split(text, first, -1).size() - 1);
            case "replace" -> first == null || second == null ? null
                    : replace(text, first, second, arguments.length > 2 ? limit(arguments[2]) : -1);
            case "split" -> arguments.length == 0 ? words(text)
                    : first == null || first.isEmpty() ? null
                            : split(text, first, arguments.length > 1 ? limit(arguments[1]) : -1);
            case "join" -> arguments.length == 1 && arguments[0] instanceof List<?> parts ? join(text, parts) : null;
            case "removeprefix" -> first == null ? null : text.startsWith(first) ? text.substring(first.length()) : text;
            case "removesuffix" -> first == null ? null
                    : text.endsWith(first) ? text.substring(0, text.length() - first.length()) : text;
            default -> null;
        };
    }

    /** Python's isspace(), which is neither Java's nor Unicode's. */
    public static boolean isSpace(int c) {
        return c >= 9 && c <= 13 || c >= 28 && c <= 32 || c == 0x85 || c == 0xA0 || c == 0x1680 || c >= 0x2000 && c <= 0x200A
                || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
    }

    /** @param characters to take away, null for white space */
    public static String strip(String text, String characters, boolean left, boolean right) {
        IntPredicate gone = characters == null ? PythonText::isSpace : c -> characters.indexOf(c) >= 0;
        int from = 0;
        int to = text.length();
        while (left && from < to && gone.test(text.codePointAt(from))) {
            from += Character.charCount(text.codePointAt(from));
        }
        while (right && from < to && gone.test(text.codePointBefore(to))) {
            to -= Character.charCount(text.codePointBefore(to));
        }
        return text.substring(from, to);
    }

    /** @param times how often at most, -1 for no limit */
    static String replace(String text, String old, String fresh, int times) {
        if (old.isEmpty()) {
            return null;
        }
        List<String> parts = split(text, old, times);
        JinjaSandbox.requireLength(text.length() + (long) (parts.size() - 1) * (fresh.length() - old.length()));
        return String.join(fresh, parts);
    }

    static String join(String between, List<?> parts) {
        long length = 0;
        List<String> texts = new ArrayList<>(parts.size());
        for (Object part : parts) {
            texts.add(shown(part));
            length += texts.getLast().length() + between.length();
        }
        JinjaSandbox.requireLength(length);
        return String.join(between, texts);
    }

    static String capitalize(String text) {
        int first = text.isEmpty() ? 0 : text.offsetByCodePoints(0, 1);
        return text.substring(0, first).toUpperCase(Locale.ROOT) + text.substring(first).toLowerCase(Locale.ROOT);
    }

    /** Each run of letters with a capital first. */
    private static String title(String text) {
        StringBuilder titled = new StringBuilder(text.length());
        boolean inside = false;
        for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
            int c = text.codePointAt(i);
            titled.appendCodePoint(inside ? Character.toLowerCase(c) : Character.toTitleCase(c));
            inside = Character.isLetter(c);
        }
        return titled.toString();
    }

    private static List<String> split(String text, String at, int times) {
        List<String> parts = new ArrayList<>();
        int from = 0;
        for (int to = text.indexOf(at); to >= 0 && parts.size() != times; to = text.indexOf(at, from)) {
            parts.add(text.substring(from, to));
            from = to + at.length();
        }
        parts.add(text.substring(from));
        return parts;
    }

    private static List<String> words(String text) {
        List<String> words = new ArrayList<>();
        int from = -1;
        for (int i = 0; i <= text.length(); i++) {
            boolean space = i == text.length() || isSpace(text.charAt(i));
            if (space && from >= 0) {
                words.add(text.substring(from, i));
            }
            from = space ? -1 : from < 0 ? i : from;
        }
        return words;
    }

    private static int limit(Object number) {
        return number instanceof Number value ? value.intValue() : -1;
    }

    private static int codePoints(String text, int index) {
        return index < 0 ? index : text.codePointCount(0, index);
    }

    /** str(value), of what a template can hold. */
    static String shown(Object value) {
        return switch (value) {
            case null -> "None";
            case Boolean bool -> bool ? "True" : "False";
            default -> value.toString();
        };
    }

    /** Python's truth: "false" is a text like another. */
    static boolean isTrue(Object value) {
        return switch (value) {
            case null -> false;
            case Boolean bool -> bool;
            case Number number -> number.doubleValue() != 0;
            case CharSequence text -> !text.isEmpty();
            case List<?> list -> !list.isEmpty();
            case Map<?, ?> map -> !map.isEmpty();
            default -> true;
        };
    }

    /** json.dumps(value, ensure_ascii=False). */
    static String json(Object value) {
        return switch (value) {
            case null -> "null";
            case Map<?, ?> map -> map.entrySet().stream()
                    .map(entry -> quoted(String.valueOf(entry.getKey())) + ": " + json(entry.getValue()))
                    .collect(Collectors.joining(", ", "{", "}"));
            case List<?> list -> list.stream().map(PythonText::json).collect(Collectors.joining(", ", "[", "]"));
            case Number number -> number.toString();
            case Boolean bool -> bool.toString();
            default -> quoted(value.toString());
        };
    }

    private static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            int escape = "\"\\\n\r\t\b\f".indexOf(c);
            if (escape >= 0) {
                out.append('\\').append("\"\\nrtbf".charAt(escape));
            } else if (c < 0x20) {
                out.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }
}
