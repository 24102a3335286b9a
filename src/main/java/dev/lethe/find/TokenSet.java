package dev.lethe.find;

import dev.lethe.text.Folding;
import dev.lethe.text.Letters;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The set of words of a text, and how alike two such sets are. Words: the loosely folded text, cut at everything that is
 * not a letter, a digit or a mark. Sets, so neither order nor repetition counts. Where a script has no spaces, or puts
 * particles behind a name, letters in a row stand for words: two in Han and Hangul, three elsewhere.
 */
final class TokenSet {
    final String[] words; // distinct, sorted

    private TokenSet(List<String> found) {
        words = found.stream().sorted().distinct().toArray(String[]::new);
    }

    /** Of a record: a row begins at each letter, the last ones shorter, so that every shorter one is the beginning of some. */
    static TokenSet of(String text) {
        return cut(text, 1);
    }

    /** Of a text to look for: full rows only, or the one there is. */
    static TokenSet asked(String text) {
        return cut(text, Integer.MAX_VALUE);
    }

    private static TokenSet cut(String text, int shortest) {
        String folded = Folding.LOOSE.of(text);
        List<String> words = new ArrayList<>();
        Letters.runs(folded, (start, end, kind) -> {
            if (kind == Letters.SPACED) {
                words.add(folded.substring(start, end));
                return;
            }
            int[] letters = folded.substring(start, end).codePoints().toArray();
            int least = Math.min(Math.min(shortest, kind), letters.length);
            for (int at = 0; at + least <= letters.length; at++) {
                words.add(new String(letters, at, Math.min(kind, letters.length - at)));
            }
        });
        return new TokenSet(words);
    }

    /**
     * Token-set ratio as fuzzywuzzy and rapidfuzz define it, 0..100. With I the shared words and a, b what each side has
     * besides, sorted and joined by spaces: the best of sim(I+a, I+b), sim(I, I+a) and sim(I, I+b), where
     * sim(x, y) = 100 (1 - d / (|x| + |y|)) and d counts inserted and deleted characters. 100 when one side's words
     * are all among the other's; 0 when either has none.
     *
     * @param floor below it perhaps less than the true value, but sooner
     */
    double ratio(TokenSet other, double floor) {
        if (words.length == 0 || other.words.length == 0) {
            return 0;
        }
        StringBuilder mine = new StringBuilder();
        StringBuilder theirs = new StringBuilder();
        int shared = split(other, mine, theirs);
        if (shared > 0 && (mine.isEmpty() || theirs.isEmpty())) {
            return 100;
        }
        int gap = shared > 0 ? 1 : 0;
        int a = mine.length();
        int b = theirs.length();
        int all = 2 * (shared + gap) + a + b;
        double best = shared == 0 ? 0
                : Math.max(similarity(gap + a, 2 * shared + gap + a), similarity(gap + b, 2 * shared + gap + b));
        double bound = similarity(Math.abs(a - b), all);
        if (bound <= best || bound < floor) {
            return best;
        }
        return Math.max(best, similarity(a + b - 2 * commonSubsequence(mine, theirs), all));
    }

    /** Appends what each side has besides the shared words; returns the length of the shared words joined by spaces. */
    private int split(TokenSet other, StringBuilder mine, StringBuilder theirs) {
        int shared = 0;
        int i = 0;
        int j = 0;
        while (i < words.length || j < other.words.length) {
            int order = i == words.length ? 1 : j == other.words.length ? -1 : words[i].compareTo(other.words[j]);
            if (order == 0) {
                shared += words[i].length() + (shared > 0 ? 1 : 0);
                i++;
                j++;
            } else {
                StringBuilder side = order < 0 ? mine : theirs;
                side.append(side.isEmpty() ? "" : " ").append(order < 0 ? words[i++] : other.words[j++]);
            }
        }
        return shared;
    }

    private static double similarity(int edits, int characters) {
        return characters == 0 ? 100 : 100 - 100.0 * edits / characters;
    }

    /** Length of the longest common subsequence, 64 columns at a time (Hyyrö 2004). */
    static int commonSubsequence(CharSequence a, CharSequence b) {
        int blocks = (a.length() + 63) / 64;
        long[] ascii = new long[128 * blocks]; // bit i of block w: a has this character at 64w + i
        Map<Character, long[]> others = new HashMap<>();
        for (int i = 0; i < a.length(); i++) {
            char c = a.charAt(i);
            if (c < 128) {
                ascii[c * blocks + i / 64] |= 1L << i;
            } else {
                others.computeIfAbsent(c, key -> new long[blocks])[i / 64] |= 1L << i;
            }
        }
        long[] state = new long[blocks];
        Arrays.fill(state, -1L);
        long[] nowhere = new long[blocks];
        for (int j = 0; j < b.length(); j++) {
            char c = b.charAt(j);
            long[] where = c < 128 ? ascii : others.getOrDefault(c, nowhere);
            int from = c < 128 ? c * blocks : 0;
            long carry = 0;
            for (int w = 0; w < blocks; w++) {
                long hit = state[w] & where[from + w];
                long sum = state[w] + hit;
                long carryOut = Long.compareUnsigned(sum, hit) < 0 ? 1 : 0;
                sum += carry;
                carryOut |= carry == 1 && sum == 0 ? 1 : 0;
                state[w] = sum | state[w] - hit;
                carry = carryOut;
            }
        }
        int length = 0;
        for (int w = 0; w < blocks; w++) {
            int columns = Math.min(64, a.length() - 64 * w);
            long mask = columns == 64 ? -1L : (1L << columns) - 1;
            length += Long.bitCount(~state[w] & mask);
        }
        return length;
    }
}
