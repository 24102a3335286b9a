package dev.lethe.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Folding whole and piece by piece, and the edges of words. */
class FoldingTest {
    private static final int[] LETTERS = "aZ '`-\tﬃßøÅё\u0301\u0308\u0323\u200B\u00AD\u00A0\u3000’´¨½①ａ｡ｶﾞ\u3099が佐\uF90A각\u1100\u1161\u11A8سَّىक़\u093Cำ\u034F\u0345"
            .concat("𠮷\uDB40\uDD00\uD834\uDD5E").codePoints().toArray();

    @Test
    void tracedTextIsTheFoldedOneAndComesFromEverywhere() {
        SplittableRandom random = new SplittableRandom(5);
        for (int round = 0; round < 20_000; round++) {
            StringBuilder builder = new StringBuilder();
            random.ints(random.nextInt(12), 0, LETTERS.length).forEach(i -> builder.appendCodePoint(LETTERS[i]));
            String text = builder.toString();
            for (Folding folding : Folding.values()) {
                Folding.Traced traced = folding.trace(text);
                assertEquals(folding.of(text), traced.folded(), () -> escaped(text));
                for (int i = 0; i < traced.folded().length(); i++) {
                    assertTrue(traced.starts()[i] < traced.ends()[i] && (i == 0 || traced.starts()[i] >= traced.starts()[i - 1]),
                            () -> escaped(text));
                }
            }
        }
    }

    @Test
    void aPartIsTheLettersItCameFromWithTheirMarks() {
        Folding.Traced traced = Folding.LOOSE.trace("𠮷 Weißk\u200Bo\u0308pf \u00A0 x");
        assertEquals("𠮷 weisskopf x", traced.folded());
        assertEquals("Weißk\u200Bo\u0308", traced.original(3, 10));
        assertEquals("Weiß", traced.original(3, 7));
        assertEquals(3, traced.letter(3));
        assertEquals(" \u00A0 ", traced.original(12, 13));
    }

    @Test
    void wordsEndWhereTheirScriptLetsThem() {
        assertTrue(Letters.joined('a', 'b') && Letters.joined('a', '1') && Letters.joined('e', 0x301) && Letters.joined('د', 'و'));
        assertTrue(Letters.joined('ส', 0xE38) && Letters.joined('က', 0x103B), "a mark stays with its letter");
        assertFalse(Letters.joined('a', ' ') || Letters.joined('a', '\'') || Letters.joined('佐', '野') || Letters.joined('a', '佐')
                || Letters.joined('서', '라') || Letters.joined('ส', 'ม') || Letters.joined('ク', 'ー'));
        List<String> runs = new ArrayList<>();
        String text = "Dave2は佐野e\u0301サクー,𠮷川 윤서라는!";
        Letters.runs(text, (start, end, kind) -> runs.add(text.substring(start, end) + kind));
        assertEquals(List.of("Dave20", "は3", "佐野2", "e\u03010", "サクー3", "𠮷川2", "윤서라는2"), runs);
    }

    private static String escaped(String text) {
        StringBuilder escaped = new StringBuilder();
        text.codePoints().forEach(c -> escaped.append(String.format("\\u{%x}", c)));
        return escaped.toString();
    }
}
