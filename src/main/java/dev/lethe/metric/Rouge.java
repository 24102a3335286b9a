package dev.lethe.metric;

import java.lang.Character.UnicodeScript;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * ROUGE-1, ROUGE-2 and ROUGE-L of a candidate text against a reference (Lin 2004), number for number what Google's
 * rouge_score gives, with its stemmer off or on: lower case, every run of characters outside a-z and 0-9 is a gap,
 * words of more than three letters are stemmed. Leaves out ROUGE-Lsum and bootstrap intervals, and is blind to other
 * scripts: {@link #reads} says whether a text can be judged by it.
 */
public final class Rouge {
    private Rouge() {}

    /** Shares in 0..1. F is the harmonic mean of the other two; all are 0 when either text has no n-gram. */
    public record Score(double precision, double recall, double f) {
        static Score of(double hits, double candidate, double reference) {
            double precision = hits / Math.max(candidate, 1);
            double recall = hits / Math.max(reference, 1);
            return new Score(precision, recall,
                    precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0);
        }
    }

    /** The three scores of one pair of texts. */
    public record Scores(Score rouge1, Score rouge2, Score rougeL) {}

    /**
     * @param reference the text that should have come
     * @param candidate the text that came
     * @param stem whether words are compared by their Porter stem
     */
    public static Scores score(String reference, String candidate, boolean stem) {
        List<String> wanted = words(reference, stem);
        List<String> given = words(candidate, stem);
        return new Scores(ngrams(wanted, given, 1), ngrams(wanted, given, 2),
                Score.of(longestCommonSubsequence(wanted, given), given.size(), wanted.size()));
    }

    /**
     * Whether scores against this text mean anything: it has a word, and no more letters of scripts that are passed over than
     * letters and digits that count. Else a model that says it word for word would score 0, or by its numbers alone.
     */
    public static boolean reads(String reference) {
        long counted = reference.toLowerCase(Locale.ROOT).chars()
                .filter(c -> c >= 'a' && c <= 'z' || c >= '0' && c <= '9').count();
        long passedOver = reference.codePoints()
                .filter(c -> Character.isLetter(c) && UnicodeScript.of(c) != UnicodeScript.LATIN).count();
        return counted > 0 && counted >= passedOver;
    }

    static List<String> words(String text, boolean stem) {
        List<String> words = new ArrayList<>();
        for (String word : text.toLowerCase(Locale.ROOT).split("[^a-z0-9]+")) {
            if (!word.isEmpty()) {
                words.add(stem && word.length() > 3 ? PorterStemmer.stem(word) : word);
            }
        }
        return words;
    }

    private static Score ngrams(List<String> wanted, List<String> given, int n) {
        Map<List<String>, Integer> counts = new HashMap<>();
        for (int i = 0; i + n <= wanted.size(); i++) {
            counts.merge(wanted.subList(i, i + n), 1, Integer::sum);
        }
        int hits = 0;
        for (int i = 0; i + n <= given.size(); i++) {
            List<String> gram = given.subList(i, i + n);
            Integer left = counts.get(gram);
            if (left != null && left > 0) {
                counts.put(gram, left - 1);
                hits++;
            }
        }
        return Score.of(hits, Math.max(given.size() - n + 1, 0), Math.max(wanted.size() - n + 1, 0));
    }

    private static int longestCommonSubsequence(List<String> a, List<String> b) {
        int[] above = new int[b.size() + 1];
        int[] row = new int[b.size() + 1];
        for (String word : a) {
            for (int j = 1; j <= b.size(); j++) {
                row[j] = word.equals(b.get(j - 1)) ? above[j - 1] + 1 : Math.max(above[j], row[j - 1]);
            }
            int[] spare = above;
            above = row;
            row = spare;
        }
        return above[b.size()];
    }
}
