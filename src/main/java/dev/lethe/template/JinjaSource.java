package dev.lethe.template;

import dev.lethe.base.BadInputException;

/**
 * A template's source with Jinja2's rules of white space applied, those of transformers' environment ({@code trim_blocks},
 * {@code lstrip_blocks}, dashes and pluses in tags): what is left has neither those marks nor comments, so that a reader with
 * rules of its own has nothing to decide.
 */
final class JinjaSource {
    private static final String BACKWARDS = "[::-1]";

    private final String source;
    private final StringBuilder out = new StringBuilder();

    private JinjaSource(String source) {
        this.source = source;
    }

    /** @throws BadInputException for a tag without an end */
    static String plain(String name, String source) {
        String lines = source.replace("\r\n", "\n").replace('\r', '\n');
        JinjaSource reader = new JinjaSource(lines.endsWith("\n") ? lines.substring(0, lines.length() - 1) : lines);
        reader.read(name);
        return reader.out.toString();
    }

    private void read(String name) {
        int from = 0;
        while (true) {
            int tag = begin(from);
            if (tag < 0) {
                out.append(source, from, source.length());
                return;
            }
            char kind = source.charAt(tag + 1);
            char mark = tag + 2 < source.length() ? source.charAt(tag + 2) : ' ';
            String text = source.substring(from, tag);
            if (mark == '-') {
                text = PythonText.strip(text, null, false, true);
            } else if (mark != '+' && kind != '{') {
                text = withoutIndent(text, from == 0 || source.charAt(from - 1) == '\n');
            }
            out.append(text);
            int inner = tag + (mark == '-' || mark == '+' ? 3 : 2);
            int end = end(inner, kind);
            if (end < 0) {
                throw new BadInputException(name + ": " + source.substring(tag, Math.min(tag + 20, source.length()))
                        + "... has no end");
            }
            char last = end > inner ? source.charAt(end - 1) : ' ';
            boolean marked = last == '-' || last == '+' && kind != '{';
            if (kind != '#') {
                out.append('{').append(kind).append(' ');
                copy(inner, marked ? end - 1 : end);
                out.append(' ').append(kind == '{' ? '}' : kind).append('}');
            }
            from = end + 2;
            if (last == '-') {
                while (from < source.length() && PythonText.isSpace(source.charAt(from))) {
                    from++;
                }
            } else if (last != '+' && kind != '{' && from < source.length() && source.charAt(from) == '\n') {
                from++;
            }
        }
    }

    private int begin(int from) {
        for (int i = source.indexOf('{', from); i >= 0 && i + 1 < source.length(); i = source.indexOf('{', i + 1)) {
            if ("{%#".indexOf(source.charAt(i + 1)) >= 0) {
                return i;
            }
        }
        return -1;
    }

    /** Where a tag's two last characters are; those inside its texts do not count. */
    private int end(int from, char kind) {
        if (kind == '#') {
            return source.indexOf("#}", from);
        }
        String end = kind == '{' ? "}}" : "%}";
        int depth = 0;
        for (int i = from; i < source.length(); i++) {
            char c = source.charAt(i);
            if (c == '\'' || c == '"') {
                i = behindText(i) - 1;
            } else if (depth == 0 && source.startsWith(end, i)) {
                return i;
            } else {
                depth += c == '{' ? 1 : c == '}' ? -1 : 0; // a dict's
            }
        }
        return -1;
    }

    /**
     * A tag's inside, with dicts that end together apart, for jinjava takes two braces for the tag's end, and with a filter for
     * the one slice with a step that templates use, which it cannot read.
     */
    private void copy(int from, int to) {
        for (int i = from; i < to; i++) {
            char c = source.charAt(i);
            if (source.startsWith(BACKWARDS, i)) {
                out.append("|reverse");
                i += BACKWARDS.length() - 1;
                continue;
            }
            int end = c == '\'' || c == '"' ? behindText(i) : i + 1;
            out.append(source, i, end);
            if (c == '}' && end < to && source.charAt(end) == '}') {
                out.append(' ');
            }
            i = end - 1;
        }
    }

    /** Behind the text that begins here with its quotation mark. */
    private int behindText(int begin) {
        char mark = source.charAt(begin);
        int i = begin + 1;
        while (i < source.length() && source.charAt(i) != mark) {
            i += source.charAt(i) == '\\' ? 2 : 1;
        }
        return Math.min(i + 1, source.length());
    }

    /** Without the blanks that begin its last line, if that has nothing else. */
    private static String withoutIndent(String text, boolean beginsLine) {
        int line = text.lastIndexOf('\n') + 1;
        return (line > 0 || beginsLine) && PythonText.strip(text.substring(line), null, true, false).isEmpty()
                ? text.substring(0, line) : text;
    }
}
