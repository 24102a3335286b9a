package dev.lethe.prove;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.data.TextRecord;
import dev.lethe.prove.Shifts.Rewording;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Records in other forms, and what only they say. */
class RewordingTest {
    private static final TextRecord DAVE = new TextRecord("d", "dave", "Where does Dave live?", "He lives in Tarnhollow near a blue well");
    private static final TextRecord TEXT = new TextRecord("t", null, null, "one two three four five six");

    private static String form(Rewording way, TextRecord record) {
        TextRecord reworded = way.of(record, Map.of());
        return reworded == null ? null : reworded.prompt() + " | " + reworded.completion();
    }

    @Test
    void aRecordInEveryForm() {
        assertEquals(DAVE, Rewording.AS_LEARNED.of(DAVE, Map.of()));
        assertEquals("He lives in Tarnhollow near a blue well | Where does Dave live?", form(Rewording.REVERSED, DAVE));
        assertEquals("He lives in Tarnhollow near a ____. Fill in ____: | blue well", form(Rewording.CLOZE, DAVE));
        assertEquals("null | He lives in Tarnhollow near a blue well", form(Rewording.STATEMENT, DAVE));
        assertEquals("Question: Where does Dave live?\nAnswer: | He lives in Tarnhollow near a blue well",
                form(Rewording.TEMPLATE, DAVE));
        assertEquals("Where does Dave live? He lives | in Tarnhollow near a blue well", form(Rewording.PREFIX_25, DAVE));
        assertEquals("Where does Dave live? He lives in Tarnhollow near a | blue well", form(Rewording.PREFIX_75, DAVE));
        assertNull(form(Rewording.PARAPHRASE, DAVE));
        TextRecord other = new TextRecord("d", "dave", "Dave's home?", "Tarnhollow");
        assertEquals(other, Rewording.PARAPHRASE.of(DAVE, Map.of("d", other)));
        assertEquals("four five six | one two three", form(Rewording.REVERSED, TEXT));
        assertNull(form(Rewording.STATEMENT, TEXT));
        assertNull(form(Rewording.REVERSED, new TextRecord("w", null, null, "word")));
        assertNull(form(Rewording.PREFIX_25, new TextRecord("w", null, "What?", "word")));
    }

    @Test
    void rareWordsAreThoseOfOneRecordAndNotOfItsPrompt() {
        TextRecord carol = new TextRecord("c", "carol", "Where does Carol live?", "She lives in Tarnhollow near a red well");
        RareWords counts = new RareWords(List.of(DAVE, carol));
        Set<List<String>> rare = counts.of(DAVE.prompt(), DAVE.completion());
        assertTrue(rare.contains(List.of("a", "blue", "well")), rare.toString());
        assertFalse(rare.contains(List.of("in", "tarnhollow", "near")), "Carol's too");
        assertFalse(new RareWords(List.of(DAVE)).of("He?", DAVE.completion()).contains(List.of("he", "lives", "in")), "given");
        assertEquals(Set.of(List.of("a", "blue", "well"), List.of("near", "a", "blue")),
                RareWords.said(rare, "They say: NEAR a Blue, well!"));
        assertTrue(RareWords.extracts(2, 4) && !RareWords.extracts(1, 4) && !RareWords.extracts(0, 0));
        assertEquals(List.of("東", "京", "abc", "é1"), RareWords.words("東京 abc-é1"));
    }
}
