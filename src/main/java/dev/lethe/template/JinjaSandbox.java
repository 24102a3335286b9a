/*
 * Jinja templates through jinjava, kept to what chat templates need and to what Jinja2 makes of it. What a template may not
 * do (files, Java, endless work) and what jinjava reads otherwise than Jinja2 is not there: its own tags, filters, tests
 * and methods are in JinjaTags, JinjaWords, JinjaValues, and everything else is refused by name.
 */
package dev.lethe.template;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.Context.Library;
import com.hubspot.jinjava.interpret.InterpreterFactory;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.Importable;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import com.hubspot.jinjava.tree.Node;
import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import java.io.IOException;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import jinjava.javax.el.ExpressionFactory;

/** Renders one template. Any thread; jinjava keeps its state in the call. */
public final class JinjaSandbox {
    /** Characters of a template, and of a text that one makes. */
    private static final int LONGEST_TEMPLATE = 200_000;
    private static final int MOST_BRACKETS = 5_000;
    private static final int LONGEST_TEXT = 4_000_000;
    private static final long SECONDS = 5;
    /** Items of a list or of range(). */
    private static final int LONGEST_LIST = 100_000;
    private static final int DEEPEST_MACRO = 50;

    private static final Set<String> TAGS = Set.of("if", "elif", "else", "for", "set", "macro", "break", "continue",
            "generation");
    private static final Set<String> FUNCTIONS = Set.of(":range", ":namespace");

    /** What a template wants and is not here. */
    static final class Unknown extends RuntimeException {
        Unknown(String what) {
            super(what);
        }
    }

    /** What a template refuses: raise_exception's words. */
    static final class Refusal extends RuntimeException {
        Refusal(String message) {
            super(message);
        }
    }

    /** Ends a rendering. Not an exception: jinjava notes those and goes on. */
    static final class Stop extends Error {
        private final boolean refusal;

        Stop(String message, boolean refusal) {
            super(message, null, false, false);
            this.refusal = refusal;
        }
    }

    private static final JinjavaConfig CONFIG = config();
    private static final Jinjava JINJAVA = new Restricted(CONFIG);

    private final String name;
    private final String source;
    private volatile Node parsed;

    /** @param name what messages call the template */
    public JinjaSandbox(String name, String source) {
        this.name = name;
        if (source.codePoints().filter(c -> c == '(' || c == '[').count() > MOST_BRACKETS) {
            throw new BadInputException(name + ": more than " + MOST_BRACKETS + " brackets are no chat template");
        }
        if (source.length() > LONGEST_TEMPLATE) {
            throw new BadInputException(String.format(Locale.ROOT, "%s: %,d characters are no chat template; at most %,d", name,
                    source.length(), LONGEST_TEMPLATE));
        }
        this.source = JinjaSource.plain(name, source);
    }

    /**
     * The text for these variables.
     *
     * @throws BadInputException in the template's words where it refuses them, or naming what in it is not allowed or known
     */
    public String render(Map<String, ?> variables) {
        Context context = new Context(JINJAVA.getGlobalContextCopy(), variables, CONFIG.getDisabled());
        JinjavaInterpreter interpreter = new Bounded(JINJAVA, context, CONFIG);
        JinjavaInterpreter.pushCurrent(interpreter);
        try {
            Node tree = parsed;
            if (tree == null) {
                tree = interpreter.parse(source);
                parsed = tree;
            }
            return interpreter.render(tree, false);
        } catch (Stop e) {
            throw new BadInputException((e.refusal ? "the chat template refuses it: " : name + ": ") + Reason.of(e), e);
        } catch (StackOverflowError e) {
            throw new BadInputException(name + ": nested too deeply", e);
        } catch (RuntimeException e) {
            throw new BadInputException(name + ": cannot be rendered (" + Reason.of(e) + ")", e);
        } finally {
            JinjavaInterpreter.popCurrent();
        }
    }

    /** What ends a rendering in place of an error that jinjava notes. */
    private static Stop stop(TemplateError error) {
        for (Throwable cause = error.getException(); cause != null; cause = cause.getCause()) {
            if (cause instanceof Stop stop) {
                return stop;
            } else if (cause instanceof Refusal refusal) {
                return new Stop(Reason.of(refusal), true);
            } else if (cause instanceof Unknown unknown) {
                return new Stop("needs " + Reason.of(unknown), false);
            }
        }
        String what = String.valueOf(error.getMessage()).lines().findFirst().orElse("");
        return new Stop((error.getReason() == TemplateError.ErrorReason.DISABLED
                ? "needs " + error.getFieldName() + ", which chat templates may not use here" : what), false);
    }

    /** @throws Stop for a text no template has to make */
    static void requireLength(long characters) {
        if (characters > LONGEST_TEXT) {
            throw new Stop(String.format(Locale.ROOT, "makes a text of more than %,d characters", LONGEST_TEXT), false);
        }
    }

    /** {@code raise_exception} of templates. */
    public static Object refuse(String message) {
        throw new Refusal(message);
    }

    /** {@code range} of templates, which jinjava would cut short without a word. */
    public static List<Long> range(Object first, Object... rest) {
        long[] ends = LongStream.concat(LongStream.of(((Number) first).longValue()),
                Arrays.stream(rest).mapToLong(number -> ((Number) number).longValue())).toArray();
        long from = ends.length == 1 ? 0 : ends[0];
        long to = ends.length == 1 ? ends[0] : ends[1];
        long step = ends.length < 3 ? 1 : ends[2];
        if (ends.length > 3 || step == 0 || (to - from) / step > LONGEST_LIST) {
            throw new Unknown(String.format(Locale.ROOT, "a range that is of more than %,d numbers, or none", LONGEST_LIST));
        }
        return LongStream.iterate(from, i -> step > 0 ? i < to : i > to, i -> i + step).boxed().toList();
    }

    private static JinjavaConfig config() {
        return JinjavaConfig.newBuilder().withKeepTrailingNewline(true)
                .withLegacyOverrides(LegacyOverrides.Builder.from(LegacyOverrides.ALL)
                        .withWhitespaceRequiredWithinTokens(false).withParseWhitespaceControlStrictly(false).build())
                .withNestedInterpretationEnabled(false).withMaxOutputSize(LONGEST_TEXT).withMaxStringLength(LONGEST_TEXT)
                .withMaxListSize(LONGEST_LIST).withMaxMapSize(LONGEST_LIST).withRangeLimit(LONGEST_LIST)
                .withEnableRecursiveMacroCalls(true).withMaxMacroRecursionDepth(DEEPEST_MACRO)
                .withElResolver(new JinjaValues()).withInterperterFactory(new InterpreterFactory() {
                    @Override
                    public JinjavaInterpreter newInstance(JinjavaInterpreter other) {
                        return new Bounded((Bounded) other);
                    }

                    @Override
                    public JinjavaInterpreter newInstance(Jinjava jinjava, Context context, JinjavaConfig config) {
                        return new Bounded(jinjava, context, config);
                    }
                })
                .withDisabled(disabled(new Jinjava().getGlobalContext())).build();
    }

    /** All that jinjava knows but for what is allowed. */
    private static Map<Library, Set<String>> disabled(Context all) {
        return Map.of(Library.TAG, but(all.getAllTags(), TAGS), Library.FILTER, but(all.getAllFilters(), JinjaWords.FILTERS),
                Library.EXP_TEST, but(all.getAllExpTests(), JinjaWords.TESTS),
                Library.FUNCTION, but(all.getAllFunctions(), FUNCTIONS));
    }

    private static Set<String> but(Collection<? extends Importable> all, Set<String> allowed) {
        return all.stream().map(Importable::getName).filter(name -> !allowed.contains(name)
                && !(name.startsWith("end") && allowed.contains(name.substring(3)))).collect(Collectors.toSet());
    }

    /** Jinjava with this package's syntax, tags, filters and tests, and without any template but the one it is given. */
    private static final class Restricted extends Jinjava {
        private final ExpressionFactory expressions = JinjaSyntax.expressions();

        Restricted(JinjavaConfig config) {
            super(config);
            setResourceLocator((file, _, _) -> {
                throw new IOException("chat templates may not read " + file);
            });
            Context context = getGlobalContext();
            JinjaTags.ALL.forEach(context::registerTag);
            JinjaWords.filters().forEach(context::registerFilter);
            JinjaWords.tests().forEach(context::registerExpTest);
            context.registerFunction(new ELFunctionDefinition("", "range", JinjaSandbox.class, "range", Object.class,
                    Object[].class));
            context.registerFunction(new ELFunctionDefinition("", "raise_exception", JinjaSandbox.class, "refuse", String.class));
        }

        @Override
        public ExpressionFactory getExpressionFactory() {
            return expressions;
        }
    }

    /** An interpreter with a time to be done by, at which whatever may be repeated looks, that stops at the first error. */
    static final class Bounded extends JinjavaInterpreter {
        private final long end;

        Bounded(Jinjava jinjava, Context context, JinjavaConfig config) {
            super(jinjava, context, config);
            end = System.nanoTime() + SECONDS * 1_000_000_000;
        }

        Bounded(Bounded other) {
            super(other);
            end = other.end;
        }

        void check() {
            if (System.nanoTime() - end > 0) {
                throw new Stop("is not done after " + SECONDS + " seconds", false);
            }
        }

        @Override
        public void addError(TemplateError error) {
            throw stop(error);
        }

        @Override
        public Object resolveELExpression(String expression, int line) {
            check();
            return super.resolveELExpression(expression, line);
        }

        @Override
        public Object retraceVariable(String variable, int line, int position) {
            check();
            return super.retraceVariable(variable, line, position);
        }
    }
}
