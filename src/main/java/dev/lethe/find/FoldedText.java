package dev.lethe.find;

import dev.lethe.text.Letters;
import java.util.Arrays;

/**
 * A folded text laid out for comparing: its runs of letters, a space before, between and behind them, one char a letter.
 * Letters beyond the first 65,536 get a char of the private use area, where two of them could meet: it serves near misses
 * only.
 */
final class FoldedText {
    private static final int PRIVATE_USE = 0xE000;
    private static final int PRIVATE_CHARS = 6_400;

    char[] chars;
    int length;
    long blocks; // bit b: has a letter whose number / 128 is b modulo 64, so texts of two scripts rarely share a bit
    private int[] starts; // of each char in the folded text
    private int[] ends;

    private FoldedText(int room) {
        chars = new char[room];
        starts = new int[room];
        ends = new int[room];
    }

    static FoldedText of(String folded) {
        FoldedText spread = new FoldedText(folded.length() + 18);
        spread.add(' ', 0, 0);
        Letters.runs(folded, (start, end, kind) -> {
            for (int at = start; at < end; ) {
                int letter = folded.codePointAt(at);
                int next = at + Character.charCount(letter);
                spread.add(letter < 0x10000 ? (char) letter : (char) (PRIVATE_USE + letter % PRIVATE_CHARS), at, next);
                spread.blocks |= 1L << (letter >> 7);
                at = next;
            }
            spread.add(' ', end, end);
        });
        return spread;
    }

    private void add(char c, int start, int end) {
        if (length == chars.length) {
            chars = Arrays.copyOf(chars, 2 * length);
            starts = Arrays.copyOf(starts, 2 * length);
            ends = Arrays.copyOf(ends, 2 * length);
        }
        chars[length] = c;
        starts[length] = start;
        ends[length++] = end;
    }

    /** Where a part of it, the spaces at its ends left out, stands in the folded text; to the ends of its words if asked. */
    int[] place(int from, int to, boolean wholeWords) {
        while (chars[from] == ' ') {
            from++;
        }
        while (chars[to - 1] == ' ') {
            to--;
        }
        while (wholeWords && chars[from - 1] != ' ') {
            from--;
        }
        while (wholeWords && chars[to] != ' ') {
            to++;
        }
        return new int[] {starts[from], ends[to - 1]};
    }
}
