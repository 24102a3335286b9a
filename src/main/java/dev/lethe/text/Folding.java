package dev.lethe.text;

import com.ibm.icu.lang.UCharacter;
import com.ibm.icu.lang.UProperty;
import com.ibm.icu.text.Normalizer2;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Locale;
import java.util.stream.IntStream;
import org.apache.lucene.analysis.icu.ICUFoldingFilter;

/**
 * Texts that are the same for a reader, or nearly, become the same string. Leaves out what is told apart by eye and not
 * by a mark: another script, another spelling.
 */
public enum Folding {
    /**
     * Canonical equivalence, and what no reader sees: invisible characters, kinds and lengths of white space, shapes of
     * apostrophe, quotation mark and hyphen.
     */
    CANONICAL(Normalizer2.getNFCInstance()),

    /** That, and case, marks, letter forms, width and a script's own digits: Unicode's draft report 30, as Lucene has it. */
    LOOSE(ICUFoldingFilter.NORMALIZER);

    private static final int NOTHING = -1;
    /** Chars that a reader takes for what they are: an exact search of a million records takes 0.5 s by it, 1.5 without. */
    private static final BitSet SAME = IntStream.range(0, 0x10000)
            .filter(c -> !Character.isSurrogate((char) c) && seen(c) == c).collect(BitSet::new, BitSet::set, BitSet::or);

    private final Normalizer2 normalizer;

    Folding(Normalizer2 normalizer) {
        this.normalizer = normalizer;
    }

    /** The string that every spelling of a text shares. */
    public String of(String text) {
        if (plain(text)) { // and most are: it saves a third of the time
            return this == LOOSE ? text.toLowerCase(Locale.ROOT) : text;
        }
        return normalizer.normalize(seen(text));
    }

    /** As {@link #of}, and from where in the text each char of it came. */
    public Traced trace(String text) {
        if (plain(text)) {
            return new Traced(text, of(text), IntStream.range(0, text.length()).toArray(),
                    IntStream.rangeClosed(1, text.length()).toArray());
        }
        StringBuilder folded = new StringBuilder(text.length());
        int[] starts = new int[text.length() + 16];
        int[] ends = new int[text.length() + 16];
        for (int at = 0; at < text.length(); ) {
            int end = pieceEnd(text, at);
            int from = folded.length();
            folded.append(of(text.substring(at, end)));
            if (folded.length() > starts.length) {
                starts = Arrays.copyOf(starts, 2 * folded.length());
                ends = Arrays.copyOf(ends, 2 * folded.length());
            }
            Arrays.fill(starts, from, folded.length(), at);
            Arrays.fill(ends, from, folded.length(), end);
            if (from == folded.length() && from > 0) { // a mark that was folded away belongs to its letter
                int last = starts[from - 1];
                for (int i = from - 1; i >= 0 && starts[i] == last; i--) {
                    ends[i] = end;
                }
            }
            at = end;
        }
        return new Traced(text, folded.toString(), starts, ends);
    }

    /** A folded text and where it came from. */
    public record Traced(String text, String folded, int[] starts, int[] ends) {
        /** What stands in the text for these chars of the folded one. */
        public String original(int from, int to) {
            return text.substring(starts[from], ends[to - 1]);
        }

        /** Which letter of the text, counted from 1, the one at {@code from} in the folded text is. */
        public int letter(int from) {
            return text.codePointCount(0, starts[from]) + 1;
        }
    }

    /** The end of the shortest piece from {@code at} on that folds by itself. */
    private int pieceEnd(String text, int at) {
        int first = seen(text.codePointAt(at));
        int end = at + Character.charCount(text.codePointAt(at));
        while (end < text.length()) {
            int next = seen(text.codePointAt(end));
            boolean goesOn = next == NOTHING || next == ' ' && first == ' '
                    || next != ' ' && !normalizer.hasBoundaryBefore(next);
            if (!goesOn) {
                break;
            }
            end += Character.charCount(text.codePointAt(end));
        }
        return end;
    }

    private static boolean plain(String text) {
        char last = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c >= 128 || c == '`' || c < ' ' || c == ' ' && last == ' ') {
                return false;
            }
            last = c;
        }
        return true;
    }

    private static String seen(String text) {
        int same = 0;
        while (same < text.length() && SAME.get(text.charAt(same))
                && !(text.charAt(same) == ' ' && same > 0 && text.charAt(same - 1) == ' ')) {
            same++;
        }
        if (same == text.length()) {
            return text;
        }
        StringBuilder seen = new StringBuilder(text.length());
        for (int at = 0; at < text.length(); at += Character.charCount(text.codePointAt(at))) {
            int as = seen(text.codePointAt(at));
            boolean spaceAgain = as == ' ' && !seen.isEmpty() && seen.charAt(seen.length() - 1) == ' ';
            if (as != NOTHING && !spaceAgain) {
                seen.appendCodePoint(as);
            }
        }
        return seen.toString();
    }

    /** What a reader takes a character for. */
    private static int seen(int codePoint) {
        if (codePoint < 128) {
            return codePoint == '`' ? '\'' : codePoint >= '\t' && codePoint <= '\r' ? ' ' : codePoint;
        }
        return switch (codePoint) {
            case 0xB4, 0x2BB, 0x2BC, 0x2018, 0x2019, 0x201B, 0x2032, 0x55A, 0x5F3, 0xFF07 -> '\'';
            case 0x201C, 0x201D, 0x201E, 0x201F, 0x2033, 0x5F4, 0xFF02 -> '"';
            case 0x2010, 0x2011 -> '-';
            default -> UCharacter.hasBinaryProperty(codePoint, UProperty.DEFAULT_IGNORABLE_CODE_POINT) ? NOTHING
                    : UCharacter.isUWhiteSpace(codePoint) ? ' ' : codePoint;
        };
    }
}
