/*
 * Conversations as token ids. A rendered template is text of two kinds: what the template says, in which special tokens are
 * meant, and what people said, in which they are not. So that nobody makes one by writing it, those in messages are broken
 * by a guard before they are rendered, and it goes again once the template's own are found.
 */
package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.template.JinjaTags;
import dev.lethe.template.PythonText;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;

/** The ids of conversations. Any thread, where its encoder allows. */
final class ChatText {
    /** No character, as {@link JinjaTags#OPEN} and CLOSE; texts that have one of the three are refused. */
    private static final char GUARD = '\uFDED';
    private static final String RESERVED = "" + GUARD + JinjaTags.OPEN + JinjaTags.CLOSE;

    /**
     * A special token.
     *
     * @param hidden      what the encoder calls it
     * @param stripsLeft  whether it swallows white space before it
     * @param stripsRight and behind it
     */
    record Special(String token, String hidden, boolean stripsLeft, boolean stripsRight) { }

    private final ChatTemplate template;
    private final List<Special> specials;
    private final Function<String, int[]> encoder;

    /** @param encoder ids of a text in which special tokens have their hidden names */
    ChatText(ChatTemplate template, List<Special> specials, Function<String, int[]> encoder) {
        this.template = template;
        this.specials = specials;
        this.encoder = encoder;
    }

    /** As {@link Tokenizer#chat}. */
    int[][] ids(List<Map<String, String>> messages, Map<String, String> variables, boolean assistantOnly) {
        List<Map<String, String>> guarded = messages.stream().map(this::guarded).toList();
        String full = template.render(guarded, false, variables);
        if (!guarded.equals(messages) && !plain(full).equals(plain(template.render(messages, false, variables)))) {
            throw new BadInputException("has a special token in its text at which the chat template takes the text apart; take it"
                    + " out");
        }
        int[] ids = encode(full);
        int[] marks = new int[ids.length];
        if (!assistantOnly) {
            Arrays.fill(marks, 1);
            return new int[][] {ids, marks};
        }
        for (int[] span : template.marksGeneration() ? marked(full) : spans(guarded, variables, full)) {
            int from = common(ids, encode(full.substring(0, span[0])));
            int to = span[1] == full.length() ? ids.length : common(ids, encode(full.substring(0, span[1])));
            Arrays.fill(marks, from, Math.max(from, to), 1);
        }
        return new int[][] {ids, marks};
    }

    /** What generation blocks made, [from, to) each. */
    private static List<int[]> marked(String full) {
        List<int[]> spans = new ArrayList<>();
        for (int open = full.indexOf(JinjaTags.OPEN); open >= 0; open = full.indexOf(JinjaTags.OPEN, open + 1)) {
            int close = full.indexOf(JinjaTags.CLOSE, open);
            spans.add(new int[] {open, close < 0 ? full.length() : close});
        }
        return spans;
    }

    /** What each message of the assistant adds to those before it and the beginning the template gives it. */
    private List<int[]> spans(List<Map<String, String>> messages, Map<String, String> variables, String full) {
        List<int[]> spans = new ArrayList<>();
        for (int i = 0; i < messages.size(); i++) {
            if (!"assistant".equals(messages.get(i).get("role"))) {
                continue;
            }
            String before = template.render(messages.subList(0, i), true, variables);
            String after = i == messages.size() - 1 ? full : template.render(messages.subList(0, i + 1), false, variables);
            if (!after.startsWith(before) || !full.startsWith(after)) {
                throw new BadInputException("the chat template renders the messages up to " + (i + 1) + " otherwise when "
                        + (after.startsWith(before) ? "others follow" : "the assistant is yet to speak") + ", so that what the"
                        + " assistant says cannot be told apart; take a loss of all messages, or a template with {% generation %}");
            }
            spans.add(new int[] {before.length(), after.length()});
        }
        return spans;
    }

    private static int common(int[] ids, int[] beginning) {
        int differs = Arrays.mismatch(ids, beginning);
        return differs < 0 ? ids.length : differs;
    }

    private int[] encode(String rendered) {
        StringBuilder text = new StringBuilder(rendered.length());
        for (int i = 0; i < rendered.length(); ) {
            Special special = at(rendered, i);
            if (special != null) {
                while (special.stripsLeft && !text.isEmpty() && PythonText.isSpace(text.charAt(text.length() - 1))) {
                    text.setLength(text.length() - 1);
                }
                text.append(special.hidden);
                i += special.token.length();
                while (special.stripsRight && i < rendered.length() && (PythonText.isSpace(rendered.charAt(i))
                        || isReserved(rendered.charAt(i)))) {
                    i++;
                }
            } else {
                if (!isReserved(rendered.charAt(i))) {
                    text.append(rendered.charAt(i));
                }
                i++;
            }
        }
        return encoder.apply(text.toString());
    }

    /** The longest special token that begins here, or null. */
    private Special at(String text, int place) {
        Special longest = null;
        for (Special special : specials) {
            if (text.startsWith(special.token, place) && (longest == null || special.token.length() > longest.token.length())) {
                longest = special;
            }
        }
        return longest;
    }

    private Map<String, String> guarded(Map<String, String> message) {
        Map<String, String> guarded = new LinkedHashMap<>();
        message.forEach((key, text) -> guarded.put(key, guarded(text)));
        return guarded;
    }

    /** A guard inside every special token, and where its text may make one together with the template's beside it. */
    private String guarded(String text) {
        StringBuilder guarded = new StringBuilder(text.length());
        int first = text.length() - PythonText.strip(text, null, true, false).length();
        int last = PythonText.strip(text, null, false, true).length();
        for (int i = 0; i < text.length(); i++) {
            if (isReserved(text.charAt(i))) {
                throw new BadInputException(String.format(Locale.ROOT, "has U+%04X in a message, which is no character",
                        (int) text.charAt(i)));
            }
            if (i == first && specials.stream().anyMatch(special -> endsAt(special.token, text, first))) {
                guarded.append(GUARD);
            }
            guarded.append(text.charAt(i));
            if (at(text, i) != null || i == last - 1 && specials.stream().anyMatch(special -> beginsAt(special.token, text, last))) {
                guarded.append(GUARD);
            }
        }
        return guarded.toString();
    }

    /** Whether the text from there begins with a token's end. */
    private static boolean endsAt(String token, String text, int from) {
        for (int cut = 1; cut < token.length(); cut++) {
            if (text.startsWith(token.substring(cut), from)) {
                return true;
            }
        }
        return false;
    }

    /** Whether the text up to there ends with a token's beginning. */
    private static boolean beginsAt(String token, String text, int to) {
        for (int cut = 1; cut < token.length(); cut++) {
            if (cut <= to && text.startsWith(token.substring(0, cut), to - cut)) {
                return true;
            }
        }
        return false;
    }

    private static boolean isReserved(char c) {
        return RESERVED.indexOf(c) >= 0;
    }

    private static String plain(String rendered) {
        return rendered.replaceAll("[" + RESERVED + "]", "");
    }
}
