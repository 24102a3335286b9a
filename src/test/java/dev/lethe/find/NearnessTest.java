package dev.lethe.find;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lethe.text.Folding;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** The share of letters in place, against a slow obvious table, and the words that stand there. */
class NearnessTest {
    @Test
    void editsEqualTheTable() {
        SplittableRandom random = new SplittableRandom(2);
        for (int round = 0; round < 5_000; round++) {
            String word = letters(random, 1 + random.nextInt(70)).replace(" ", "");
            String text = letters(random, random.nextInt(120));
            if (word.isEmpty()) {
                continue;
            }
            String cut = word.substring(0, Math.min(62, word.length()));
            int edits = Math.min(cut.length(), table(" " + cut + " ", " " + text.strip().replaceAll(" +", " ") + " "));
            double expected = 100.0 * (cut.length() - edits) / cut.length();
            assertEquals(expected, new Nearness(word).of(FoldedText.of(text), 0), 1e-9, word + " | " + text);
        }
    }

    @Test
    void wordsCountByTheirLettersInAnyOrder() {
        assertEquals(100, of("Umbrolio, Dave", "Dave Umbrolio sings"));
        assertEquals(100 * 11 / 12.0, of("dave Umbrolia", "Dave Umbrolio sings"));
        assertEquals(100 * 3 / 4.0, of("Dave", "Davenport sings"));
        assertEquals(100 * 2 / 4.0, of("aven", "Davenport sings"));
        assertEquals(100, of("野蓮", "佐野蓮は"));
        assertEquals(100 * 2 / 3.0, of("𠮷川悠", "吉川悠さん"));
        assertEquals(0, of("Dave", ""));
    }

    private static double of(String asked, String text) {
        return new Nearness(asked).of(FoldedText.of(Folding.LOOSE.of(text)), 0);
    }

    private static String letters(SplittableRandom random, int length) {
        return random.ints(length, 0, 6).collect(StringBuilder::new, (builder, i) -> builder.append("abж γ ".charAt(i)),
                StringBuilder::append).toString();
    }

    /** Fewest edits between the word and any part of the text (Sellers 1980). */
    private static int table(String word, String text) {
        int[][] edits = new int[word.length() + 1][text.length() + 1];
        for (int i = 1; i <= word.length(); i++) {
            edits[i][0] = i;
            for (int j = 1; j <= text.length(); j++) {
                int same = word.charAt(i - 1) == text.charAt(j - 1) ? 0 : 1;
                edits[i][j] = Math.min(edits[i - 1][j - 1] + same, 1 + Math.min(edits[i - 1][j], edits[i][j - 1]));
            }
        }
        int fewest = word.length();
        for (int end : edits[word.length()]) {
            fewest = Math.min(fewest, end);
        }
        return fewest;
    }
}
