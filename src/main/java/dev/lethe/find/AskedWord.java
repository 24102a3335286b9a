package dev.lethe.find;

import dev.lethe.text.Folding;
import dev.lethe.text.Letters;
import java.util.Arrays;

/**
 * A word to look for, folded, and the fewest edits between it and any part of a text. Where words have spaces around them
 * the word has them too, so beginning or ending inside a longer word costs an edit.
 */
final class AskedWord {
    private static final int MOST_LETTERS = 62; // with its two edges a pattern fills a long

    final String asked;
    final String folded;
    final int letters;
    private final boolean spaced;
    private final char[] pattern; // with a space at both ends where words have them
    private final long blocks;
    private final char[] keys = new char[128]; // open addressing: at most 64 different characters
    private final long[] places = new long[128]; // bit i: the pattern has this character at i

    /** Of a run of letters of one {@link Letters.Runs kind}; the first 62 of them. */
    AskedWord(String asked, String run, int kind) {
        this.asked = asked;
        this.letters = Math.min(MOST_LETTERS, run.codePointCount(0, run.length()));
        this.folded = run.substring(0, run.offsetByCodePoints(0, letters));
        FoldedText spread = FoldedText.of(folded);
        this.spaced = kind == Letters.SPACED;
        this.pattern = spaced ? Arrays.copyOf(spread.chars, spread.length)
                : Arrays.copyOfRange(spread.chars, 1, spread.length - 1);
        this.blocks = spread.blocks;
        for (int i = 0; i < pattern.length; i++) {
            int slot = slot(pattern[i]);
            keys[slot] = pattern[i];
            places[slot] |= 1L << i;
        }
    }

    private int slot(char c) {
        int slot = c & 127;
        while (keys[slot] != c && keys[slot] != 0) {
            slot = slot + 1 & 127;
        }
        return slot;
    }

    /** Fewest edits between the word and any part of the text (Myers 1999), at most its letters. */
    int edits(FoldedText text) {
        if ((blocks & text.blocks) == 0) {
            return letters;
        }
        long last = 1L << pattern.length - 1;
        long up = -1L;
        long down = 0;
        int edits = pattern.length;
        int fewest = letters;
        for (int i = 0; i < text.length; i++) {
            long hit = places[slot(text.chars[i])];
            long vertical = hit | down;
            long horizontal = (hit & up) + up ^ up | hit;
            long plus = down | ~(horizontal | up);
            long minus = up & horizontal;
            edits += (plus & last) != 0 ? 1 : (minus & last) != 0 ? -1 : 0;
            fewest = Math.min(fewest, edits);
            plus <<= 1;
            minus <<= 1;
            up = minus | ~(vertical | plus);
            down = plus & vertical;
        }
        return fewest;
    }

    /** How many edits a person could take for a slip: a third of the letters, or one of two. */
    int fewEdits() {
        return letters == 2 ? 1 : letters / 3;
    }

    /** Where the text comes nearest, in the letters of the text that it was folded from. */
    Pair pair(FoldedText text, Folding.Traced traced) {
        int edits = edits(text);
        if (edits == letters) {
            return new Pair(asked, "", edits, false);
        }
        int[] place = window(text);
        return new Pair(asked, traced.original(place[0], place[1]), edits, edits <= fewEdits());
    }

    /** Where the first part that comes nearest stands in the folded text, by the table that {@link #edits} does without. */
    private int[] window(FoldedText text) {
        int rows = pattern.length + 1;
        int[] costs = new int[rows];
        int[] starts = new int[rows];
        for (int row = 0; row < rows; row++) {
            costs[row] = row;
        }
        int fewest = Integer.MAX_VALUE;
        int from = 0;
        int to = 0;
        for (int i = 0; i < text.length; i++) {
            int diagonal = 0;
            int diagonalStart = i;
            starts[0] = i + 1;
            for (int row = 1; row < rows; row++) {
                int swapped = diagonal + (pattern[row - 1] == text.chars[i] ? 0 : 1);
                int swappedStart = diagonalStart;
                diagonal = costs[row];
                diagonalStart = starts[row];
                if (costs[row - 1] + 1 < swapped) {
                    swapped = costs[row - 1] + 1;
                    swappedStart = starts[row - 1];
                }
                boolean dropped = diagonal + 1 < swapped;
                costs[row] = dropped ? diagonal + 1 : swapped;
                starts[row] = dropped ? diagonalStart : swappedStart;
            }
            boolean longer = costs[rows - 1] == fewest && starts[rows - 1] == from; // of equals the longest
            if (costs[rows - 1] < fewest || longer) {
                fewest = costs[rows - 1];
                from = starts[rows - 1];
                to = i + 1;
            }
        }
        return text.place(from, to, spaced);
    }

    /**
     * A word looked for and what comes nearest to it.
     *
     * @param asked as it was asked
     * @param found as it stands in the text, the whole word where words have spaces around them
     * @param edits letters between the two after folding
     * @param near  whether one could be a slip of the other
     */
    record Pair(String asked, String found, int edits, boolean near) {
        String shown(String sign) {
            return asked.equals(found) ? asked : asked + sign + found;
        }
    }
}
