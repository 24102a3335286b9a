package dev.lethe.text;

import dev.lethe.data.TextRecord;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * How a text is worded, for telling copies from texts that only look alike. Words are runs of letters and digits without
 * case and marks; in scripts written without spaces each letter is a word. A telling word may name somebody or something: it
 * has a digit or a capital letter, or its script knows no case. A set, so neither order nor repetition counts.
 */
final class Wording {
    /** A shorter word is another word when one of its letters is. */
    private static final int LEAST_MISSPELT = 5;

    private final Vocabulary vocabulary;
    private final String subject;
    private final int[] words; // distinct, ascending
    private final boolean[] telling; // beside words

    /** Words by number, shared by the wordings that are compared. */
    static final class Vocabulary {
        private final Map<String, Integer> numbers = new HashMap<>();
        private final List<String> words = new ArrayList<>();

        private int number(String word) {
            return numbers.computeIfAbsent(word, added -> {
                words.add(added);
                return words.size() - 1;
            });
        }

        int size() {
            return words.size();
        }
    }

    Wording(TextRecord record, Vocabulary vocabulary) {
        this.vocabulary = vocabulary;
        this.subject = record.subject();
        Map<Integer, Boolean> found = new TreeMap<>();
        StringBuilder word = new StringBuilder();
        (Normalizer.normalize(record.text(), Normalizer.Form.NFKD) + " ").codePoints().forEach(c -> {
            int type = Character.getType(c);
            boolean part = Character.isLetterOrDigit(c) || type == Character.COMBINING_SPACING_MARK;
            boolean dropped = type == Character.NON_SPACING_MARK || type == Character.FORMAT;
            if (!word.isEmpty() && !dropped && (!part || !Letters.spaced(c))) {
                boolean tells = word.codePoints().anyMatch(letter -> !Character.isLowerCase(letter));
                found.merge(vocabulary.number(fold(word.toString())), tells, Boolean::logicalOr);
                word.setLength(0);
            }
            if (part) {
                word.appendCodePoint(c);
            }
        });
        words = found.keySet().stream().mapToInt(Integer::intValue).toArray();
        telling = new boolean[words.length];
        for (int i = 0; i < words.length; i++) {
            telling[i] = found.get(words[i]);
        }
    }

    /** The text in NFKC without case, invisible characters and white space beyond one blank. */
    static String plain(String text) {
        StringBuilder plain = new StringBuilder(text.length());
        Normalizer.normalize(text, Normalizer.Form.NFKC).codePoints().forEach(c -> {
            boolean blank = Character.isWhitespace(c) || Character.isSpaceChar(c);
            if (!blank && Character.getType(c) != Character.FORMAT) {
                plain.appendCodePoint(c);
            } else if (blank && !plain.isEmpty() && plain.charAt(plain.length() - 1) != ' ') {
                plain.append(' ');
            }
        });
        return fold(plain.toString().strip());
    }

    private static String fold(String text) {
        return text.toUpperCase(Locale.ROOT).toLowerCase(Locale.ROOT); // there and back: ß is ss
    }

    /** Numbers of the words, ascending. */
    int[] words() {
        return words;
    }

    /** Common words as a share of the words of both, 0..1. */
    double likeness(Wording other) {
        int common = 0;
        for (int i = 0, j = 0; i < words.length && j < other.words.length; ) {
            int order = Integer.compare(words[i], other.words[j]);
            common += order == 0 ? 1 : 0;
            i += order <= 0 ? 1 : 0;
            j += order >= 0 ? 1 : 0;
        }
        return common == 0 ? 0 : (double) common / (words.length + other.words.length - common);
    }

    /**
     * Whether each has a telling word in place of one of the other's: what a template filled in for somebody else does, while
     * a copy adds, drops, misspells or rewords. Between different subjects every word counts as telling.
     */
    boolean exchanges(Wording other) {
        boolean strict = subject != null && other.subject != null && !subject.equals(other.subject);
        List<String> mine = besides(other, strict);
        List<String> theirs = other.besides(this, strict);
        mine.removeIf(word -> theirs.removeIf(that -> misspelt(word, that)));
        return !mine.isEmpty() && !theirs.isEmpty();
    }

    /** Telling words, or with {@code all} any, that the other has not. */
    private List<String> besides(Wording other, boolean all) {
        List<String> more = new ArrayList<>();
        for (int i = 0, j = 0; i < words.length; i++) {
            while (j < other.words.length && other.words[j] < words[i]) {
                j++;
            }
            if ((all || telling[i]) && (j == other.words.length || other.words[j] != words[i])) {
                more.add(vocabulary.words.get(words[i]));
            }
        }
        return more;
    }

    private static boolean misspelt(String word, String other) {
        return Math.min(word.length(), other.length()) >= LEAST_MISSPELT && oneLetter(word, other)
                && (word + other).chars().noneMatch(Character::isDigit);
    }

    /** Whether a letter more, fewer or exchanged makes one of the other. */
    private static boolean oneLetter(String word, String other) {
        int least = Math.min(word.length(), other.length());
        int longest = Math.max(word.length(), other.length());
        int start = 0;
        while (start < least && word.charAt(start) == other.charAt(start)) {
            start++;
        }
        int end = 0;
        while (end < least - start && word.charAt(word.length() - 1 - end) == other.charAt(other.length() - 1 - end)) {
            end++;
        }
        return longest - start - end <= 1;
    }
}
