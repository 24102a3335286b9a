package dev.lethe.model;

import dev.lethe.base.BadInputException;

/**
 * Whether a regular expression of a tokenizer.json may be handed to the tokenizer library. Its engine backtracks, and ends
 * the process after ten million steps of one match; what is accepted takes back at most {@link #MOST_WAYS} a character of
 * text. That is the language of known pre-tokenizers: alternatives of characters, classes, look-aheads and small groups, in
 * which a repetition without bound stands outside groups and only one of an alternative is tried again for what follows it.
 * Left is time of the square of a text's longest run, as {@code \s+$} takes, which known tokenizers have.
 */
final class SafePattern {
    private static final int LONGEST = 10_000;
    private static final int DEEPEST = 8;
    private static final int MOST_REPEATS = 255;
    /** Of one attempt to match, a character of text. */
    private static final int MOST_WAYS = 8;
    /** Without any unbounded repetition, a match. */
    private static final long MOST_FIXED_WAYS = 1_000;

    private final Object place;
    private final String text;
    private int at;
    private int depth;

    private SafePattern(Object place, String text) {
        this.place = place;
        this.text = text;
    }

    /** @param place what opens the message; @throws BadInputException naming what is not accepted */
    static void check(Object place, String regex) {
        SafePattern pattern = new SafePattern(place, regex);
        if (regex.length() > LONGEST) {
            throw pattern.refusal("is longer than " + LONGEST + " characters");
        }
        Cost cost = pattern.alternatives(true);
        if (pattern.at < regex.length()) {
            throw pattern.refusal("has a ) too many");
        }
        if (cost.perCharacter > MOST_WAYS || cost.ways > MOST_FIXED_WAYS) {
            throw pattern.refusal("can match the same text in too many ways");
        }
        if (cost.empty) {
            throw pattern.refusal("matches the empty text");
        }
    }

    /**
     * What trying a part again may cost.
     *
     * @param ways         how often at most, where nothing is repeated without bound
     * @param perCharacter how often at most a character, where something is
     * @param empty        whether it can match without taking a character
     */
    private record Cost(long ways, long perCharacter, boolean empty) {
        static final Cost ONE = new Cost(1, 0, false);
        static final Cost NOTHING = new Cost(1, 0, true);
    }

    private Cost alternatives(boolean outermost) {
        long ways = 0;
        long perCharacter = 0;
        boolean empty = false;
        do {
            Cost one = sequence(outermost);
            ways = Math.min(ways + one.ways, MOST_FIXED_WAYS + 1);
            perCharacter += one.perCharacter;
            empty |= one.empty;
        } while (take('|'));
        return new Cost(ways, perCharacter, empty);
    }

    private Cost sequence(boolean outermost) {
        long ways = 1;
        long perCharacter = 0;
        int endless = 0;
        boolean empty = true;
        while (at < text.length() && text.charAt(at) != '|' && text.charAt(at) != ')') {
            boolean group = text.charAt(at) == '(';
            Cost atom = atom();
            Repeat repeat = repeat(group);
            boolean canFail = repeat.least > 0; // and a repetition before it is then tried with one character less, and so on
            if (canFail && endless > 1) {
                throw refusal("has two unbounded repetitions before something that may not follow them");
            }
            if (canFail && endless == 1) {
                perCharacter = Math.max(perCharacter, ways * atom.ways);
            }
            if (repeat.most == Integer.MAX_VALUE) {
                if (!outermost) {
                    throw refusal("has an unbounded repetition inside a group");
                }
                if (atom.ways > 1 || atom.empty) {
                    throw refusal("repeats without bound what can match in more than one way");
                }
                endless++;
            } else {
                ways = Math.min(ways * (atom.ways + repeat.most - repeat.least), MOST_FIXED_WAYS + 1);
            }
            empty &= atom.empty || repeat.least == 0;
        }
        return new Cost(ways, perCharacter, empty);
    }

    private Cost atom() {
        char c = next();
        switch (c) {
            case '(' -> {
                return group();
            }
            case '[' -> charClass();
            case '\\' -> escape();
            case '^', '$' -> {
                return Cost.NOTHING;
            }
            case ']', '}', '{', '*', '+', '?' -> throw refusal("has " + c + " where a character is expected");
            default -> {
                if (Character.isHighSurrogate(c)) {
                    next();
                }
            }
        }
        return Cost.ONE;
    }

    private Cost group() {
        if (++depth > DEEPEST) {
            throw refusal("has more than " + DEEPEST + " groups or classes in one another");
        }
        boolean looksAhead = take("?=") || take("?!");
        if (!looksAhead && !take("?:") && !take("?i:") && at < text.length() && text.charAt(at) == '?') {
            throw refusal("has a group that begins with (" + text.substring(at, Math.min(text.length(), at + 3)));
        }
        Cost inside = alternatives(false);
        if (next() != ')') {
            throw refusal("has a ( that does not end");
        }
        depth--;
        return looksAhead ? new Cost(inside.ways, 0, true) : inside;
    }

    private void charClass() {
        if (++depth > DEEPEST) {
            throw refusal("has more than " + DEEPEST + " groups or classes in one another");
        }
        take('^');
        for (boolean first = true; ; first = false) {
            char c = next();
            if (c == ']' && !first) {
                depth--;
                return;
            }
            if (c == '[' && !(at < text.length() && text.charAt(at) == ':')) {
                charClass();
            } else if (c == '\\') {
                escape();
            } else if (c == '[' || c == ']') {
                throw refusal("has a class that is empty or has a name, [] or [:");
            }
        }
    }

    private void escape() {
        char c = next();
        if (c == 'p' || c == 'P') {
            int end = text.indexOf('}', at);
            if (!take('{') || end < 0 || !text.substring(at, end).matches("\\^?[A-Za-z_]+")) {
                throw refusal("has \\" + c + " without the {name} of a property");
            }
            at = end + 1;
        } else if ("sSdDwWrntf".indexOf(c) < 0 && (c >= 0x7F || Character.isLetterOrDigit(c))) {
            throw refusal("has \\" + c);
        }
    }

    private record Repeat(int least, int most) {
        static final Repeat ONCE = new Repeat(1, 1);
    }

    private Repeat repeat(boolean group) {
        if (!group && take('{')) {
            return counted();
        }
        Repeat repeat = take('?') ? new Repeat(0, 1) : take('*') ? new Repeat(0, Integer.MAX_VALUE)
                : take('+') ? new Repeat(1, Integer.MAX_VALUE) : Repeat.ONCE;
        if (repeat != Repeat.ONCE) {
            take('+'); // possessive: tried again less often
        }
        return repeat;
    }

    private Repeat counted() {
        int end = text.indexOf('}', at);
        String range = end < 0 ? "" : text.substring(at, end);
        if (!range.matches("\\d{1,3}(,\\d{0,3})?")) {
            throw refusal("has a repetition that is not {n}, {n,} or {n,m}");
        }
        at = end + 1;
        String[] bounds = range.split(",");
        int least = Integer.parseInt(bounds[0]);
        int most = range.endsWith(",") ? Integer.MAX_VALUE : Integer.parseInt(bounds[bounds.length - 1]);
        if (least > MOST_REPEATS || most < Math.max(1, least) || most > MOST_REPEATS && !range.endsWith(",")) {
            throw refusal("repeats {" + range + "}; at most " + MOST_REPEATS + " times is read");
        }
        return new Repeat(least, most);
    }

    private char next() {
        if (at == text.length()) {
            throw refusal("ends too early");
        }
        return text.charAt(at++);
    }

    private boolean take(char c) {
        return take(String.valueOf(c));
    }

    private boolean take(String expected) {
        boolean there = text.startsWith(expected, at);
        at += there ? expected.length() : 0;
        return there;
    }

    private BadInputException refusal(String what) {
        String shown = text.length() > 60 ? text.substring(0, 60) + "…" : text;
        return new BadInputException(place + ": the regular expression \"" + shown + "\" " + what
                + (at > 0 ? " (character " + at + ")" : "") + "; write it as the tokenizers of GPT-2, Llama or Qwen do");
    }
}
