package dev.lethe.template;

import com.hubspot.jinjava.interpret.InterpretException;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.tag.Tag;
import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Tags with Jinja2's meaning: a scope for every turn of a loop, Python's truth, and {@code generation}. */
public final class JinjaTags {
    /** Around what a generation block makes; nothing else in a rendered text is one of them (see {@code ChatText}). */
    public static final char OPEN = '\uFDEE';
    public static final char CLOSE = '\uFDEF';

    static final List<Tag> ALL = List.of(new Named("if", "endif", JinjaTags::branch), new Named("for", "endfor", JinjaTags::loop),
            new Named("generation", "endgeneration", JinjaTags::generation), new Named("break", null, JinjaTags::jump),
            new Named("continue", null, JinjaTags::jump));

    private static final Pattern FOR = Pattern.compile("([\\w\\s,]+?)\\s+in\\s+(.+)", Pattern.DOTALL);
    private static final String LOOP = "loop";

    private JinjaTags() { }

    /** The variable {@code loop}. */
    static final class Loop {
        private final List<?> items;
        private int index;
        private String jump;

        Loop(List<?> items) {
            this.items = items;
        }

        Object get(String name) {
            return switch (name) {
                case "index" -> (long) index + 1;
                case "index0" -> (long) index;
                case "revindex" -> (long) items.size() - index;
                case "revindex0" -> (long) items.size() - index - 1;
                case "first" -> index == 0;
                case "last" -> index == items.size() - 1;
                case "length" -> (long) items.size();
                case "previtem" -> index == 0 ? null : items.get(index - 1);
                case "nextitem" -> index == items.size() - 1 ? null : items.get(index + 1);
                default -> throw new JinjaSandbox.Unknown("loop." + name + ", which chat templates may not use here");
            };
        }
    }

    private static boolean jumping(JinjavaInterpreter interpreter) {
        return interpreter.getContext().get(LOOP) instanceof Loop loop && loop.jump != null;
    }

    /** What these make, up to a break or continue. */
    private static void render(Iterable<Node> nodes, JinjavaInterpreter interpreter, StringBuilder out) {
        for (Node node : nodes) {
            if (jumping(interpreter)) {
                return;
            }
            out.append(node.render(interpreter).getValue());
            JinjaSandbox.requireLength(out.length());
        }
    }

    private static InterpretException broken(TagNode tag, String what) {
        return new InterpretException(what, tag.getLineNumber());
    }

    private static String branch(TagNode tag, JinjavaInterpreter interpreter) {
        boolean now = holds(tag, interpreter);
        boolean done = now;
        List<Node> chosen = new ArrayList<>();
        for (Node node : tag.getChildren()) {
            String name = node instanceof TagNode inner ? inner.getName() : "";
            if (name.equals("elif") || name.equals("else")) {
                now = !done && (name.equals("else") || holds((TagNode) node, interpreter));
                done |= now;
            } else if (now) {
                chosen.add(node);
            }
        }
        StringBuilder out = new StringBuilder();
        render(chosen, interpreter, out);
        return out.toString();
    }

    private static boolean holds(TagNode tag, JinjavaInterpreter interpreter) {
        return PythonText.isTrue(interpreter.resolveELExpression(tag.getHelpers(), tag.getLineNumber()));
    }

    private static String loop(TagNode tag, JinjavaInterpreter interpreter) {
        Matcher parts = FOR.matcher(tag.getHelpers().strip());
        if (!parts.matches()) {
            throw broken(tag, "for " + tag.getHelpers() + ": not understood");
        }
        List<String> names = List.of(parts.group(1).strip().split("\\s*,\\s*"));
        List<Object> items = items(tag, parts.group(2), names, interpreter);
        if (tag.getChildren().stream().anyMatch(node -> node instanceof TagNode inner && inner.getName().equals("else"))) {
            throw broken(tag, "for with else, which chat templates may not use here");
        }
        Loop loop = new Loop(items);
        StringBuilder out = new StringBuilder();
        for (loop.index = 0; loop.index < items.size() && !"break".equals(loop.jump); loop.index++) {
            ((JinjaSandbox.Bounded) interpreter).check();
            loop.jump = null;
            try (var _ = interpreter.enterScope()) {
                interpreter.getContext().put(LOOP, loop);
                assign(tag, names, items.get(loop.index), interpreter);
                render(tag.getChildren(), interpreter, out);
            }
        }
        return out.toString();
    }

    /** Of {@code list} or {@code list if condition}. */
    private static List<Object> items(TagNode tag, String expression, List<String> names, JinjavaInterpreter interpreter) {
        int filter = expression.matches("(?s).*\\selse\\s.*") ? -1 : expression.lastIndexOf(" if ");
        String source = filter < 0 ? expression : expression.substring(0, filter);
        List<Object> items = switch (interpreter.resolveELExpression(source, tag.getLineNumber())) {
            case List<?> list -> new ArrayList<>(list);
            case Map<?, ?> map -> new ArrayList<>(map.keySet());
            case String text -> new ArrayList<>(text.codePoints().mapToObj(Character::toString).toList());
            case null, default -> throw broken(tag, "for over " + source.strip() + ", which is no list");
        };
        if (filter >= 0) {
            Iterator<Object> each = items.iterator();
            while (each.hasNext()) {
                try (var _ = interpreter.enterScope()) {
                    assign(tag, names, each.next(), interpreter);
                    if (!PythonText.isTrue(interpreter.resolveELExpression(expression.substring(filter + 4),
                            tag.getLineNumber()))) {
                        each.remove();
                    }
                }
            }
        }
        return items;
    }

    private static void assign(TagNode tag, List<String> names, Object item, JinjavaInterpreter interpreter) {
        if (names.size() == 1) {
            interpreter.getContext().put(names.getFirst(), item);
        } else if (item instanceof List<?> parts && parts.size() == names.size()) {
            for (int i = 0; i < names.size(); i++) {
                interpreter.getContext().put(names.get(i), parts.get(i));
            }
        } else {
            throw broken(tag, "for " + String.join(", ", names) + ": an item is not of " + names.size() + " parts");
        }
    }

    private static String generation(TagNode tag, JinjavaInterpreter interpreter) {
        StringBuilder out = new StringBuilder().append(OPEN);
        render(tag.getChildren(), interpreter, out);
        return out.append(CLOSE).toString();
    }

    /** break and continue. */
    private static String jump(TagNode tag, JinjavaInterpreter interpreter) {
        if (!(interpreter.getContext().get(LOOP) instanceof Loop loop)) {
            throw broken(tag, tag.getName() + " outside a loop");
        }
        loop.jump = tag.getName();
        return "";
    }

    /** What a tag makes. */
    private interface Meaning {
        String of(TagNode tag, JinjavaInterpreter interpreter);
    }

    /** @param end the tag that ends it, null for one that stands alone */
    private record Named(String name, String end, Meaning meaning) implements Tag {
        @Override
        public String getName() {
            return name;
        }

        @Override
        public String getEndTagName() {
            return end;
        }

        @Override
        public String interpret(TagNode tag, JinjavaInterpreter interpreter) {
            return meaning.of(tag, interpreter);
        }
    }
}
