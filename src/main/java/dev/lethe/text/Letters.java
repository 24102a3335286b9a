package dev.lethe.text;

import com.ibm.icu.lang.UScript;

/**
 * What a word is made of, and where one may begin or end, in every script: by code point, mark and script, never by Java
 * char. Leaves out dictionaries: a script that puts no spaces between words is cut by nothing but the reader's question.
 */
public final class Letters {
    /** Kinds of script by how words stand in it; the number is how many letters in a row tell as much as a word does. */
    public static final int SPACED = 0;
    private static final int SYLLABLES = 2; // Han and Hangul: thousands of signs, two of them are most names
    private static final int LETTERS = 3;   // Kana, Thai, Lao, Khmer, Burmese and kin: some fifty signs each

    private Letters() {}

    /** Is given each run of letters, digits and marks of one kind of script, as positions in the text. */
    @FunctionalInterface
    public interface Runs {
        void run(int start, int end, int kind);
    }

    /** Hands every run of a text to {@code runs}, in order. */
    public static void runs(String text, Runs runs) {
        for (int at = 0; at < text.length(); ) {
            int letter = text.codePointAt(at);
            int start = at;
            at += Character.charCount(letter);
            if (!wordPart(letter)) {
                continue;
            }
            int kind = kind(letter);
            while (at < text.length()) {
                letter = text.codePointAt(at);
                if (!wordPart(letter) || !mark(letter) && kind(letter) != kind) {
                    break;
                }
                at += Character.charCount(letter);
            }
            runs.run(start, at, kind);
        }
    }

    /**
     * Whether no word ends between two neighbours: a letter and its mark, or two letters of scripts with spaces. In a
     * script without them, and in Hangul where particles follow a name unspaced, a name may stand anywhere.
     */
    public static boolean joined(int before, int after) {
        return wordPart(before) && (mark(after)
                || wordPart(after) && kind(before) == SPACED && kind(after) == SPACED);
    }

    /** Whether its script puts spaces between words. */
    public static boolean spaced(int codePoint) {
        return kind(codePoint) == SPACED;
    }

    private static boolean wordPart(int codePoint) {
        if (codePoint < 128) {
            return codePoint >= 'a' && codePoint <= 'z' || codePoint >= 'A' && codePoint <= 'Z'
                    || codePoint >= '0' && codePoint <= '9';
        }
        return Character.isLetterOrDigit(codePoint) || mark(codePoint);
    }

    private static boolean mark(int codePoint) {
        if (codePoint < 0x300) {
            return false;
        }
        int type = Character.getType(codePoint);
        return type == Character.NON_SPACING_MARK || type == Character.COMBINING_SPACING_MARK
                || type == Character.ENCLOSING_MARK;
    }

    private static int kind(int codePoint) {
        if (codePoint < 0xE00) { // nothing below Thai is written without spaces
            return SPACED;
        }
        int script = UScript.getScript(codePoint);
        return script == UScript.HAN || script == UScript.HANGUL ? SYLLABLES
                : UScript.breaksBetweenLetters(script) || codePoint == 0x30FC ? LETTERS : SPACED; // 30FC: Kana's long vowel
    }
}
