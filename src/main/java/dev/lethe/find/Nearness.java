package dev.lethe.find;

import dev.lethe.text.Folding;
import dev.lethe.text.Letters;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * How near a text comes to having the words looked for, wherever they stand in it, and what it has in their place. Both
 * sides are folded loosely; then each word costs its fewest edits against any part of the text, and where it begins or
 * ends inside a longer word one edit more. Order does not count.
 */
final class Nearness {
    static final int NAME = 4; // words that a name has at most
    private static final int WORDS_SHOWN = 12;

    private final List<AskedWord> words = new ArrayList<>();
    private final int letters;

    Nearness(String asked) {
        Folding.Traced traced = Folding.LOOSE.trace(asked);
        String folded = traced.folded();
        Letters.runs(folded, (start, end, kind) -> {
            AskedWord word = new AskedWord(traced.original(start, end), folded.substring(start, end), kind);
            if (words.stream().noneMatch(other -> other.folded.equals(word.folded))) {
                words.add(word);
            }
        });
        letters = words.stream().mapToInt(word -> word.letters).sum();
        words.sort(Comparator.comparingInt(word -> -word.letters)); // the longest first: they rule most texts out
    }

    /** Words to look for. */
    int count() {
        return words.size();
    }

    /** The words, the longest first. */
    List<AskedWord> words() {
        return words;
    }

    /** Letters to look for. */
    int letters() {
        return letters;
    }

    /** Share of the letters looked for that the text has in place, 0..100; perhaps more where it is below {@code least}. */
    double of(FoldedText text, double least) {
        int allowed = (int) Math.floor(letters * (1 - least / 100) + 1e-9);
        int edits = 0;
        for (AskedWord word : words) {
            edits += word.edits(text);
            if (edits > allowed) {
                break;
            }
        }
        return 100.0 * (letters - edits) / letters;
    }

    /** Each word looked for with what stands nearest to it, in alphabetical order. */
    List<AskedWord.Pair> pairs(String text) {
        Folding.Traced traced = Folding.LOOSE.trace(text);
        FoldedText spread = FoldedText.of(traced.folded());
        return words.stream().sorted(Comparator.comparing((AskedWord word) -> word.folded))
                .map(word -> word.pair(spread, traced)).toList();
    }

    /** Which of the words looked for a text has and which nearly, as asked, and as they stand where that is not the same. */
    String reason(String text) {
        List<AskedWord.Pair> pairs = pairs(text);
        List<String> has = pairs.stream().filter(pair -> pair.edits() == 0).map(pair -> pair.shown("=")).toList();
        List<String> nearly = pairs.stream().filter(pair -> pair.edits() > 0 && pair.near())
                .map(pair -> pair.shown("~")).toList();
        return "has " + has.size() + " of the " + pairs.size() + " words looked for"
                + (has.isEmpty() ? "" : ": " + list(has)) + (nearly.isEmpty() ? "" : "; nearly: " + list(nearly));
    }

    /** The first words of a list, and how many more there are. */
    static String list(List<String> words) {
        return String.join(", ", words.subList(0, Math.min(words.size(), WORDS_SHOWN)))
                + (words.size() > WORDS_SHOWN ? " and " + (words.size() - WORDS_SHOWN) + " more" : "");
    }
}
