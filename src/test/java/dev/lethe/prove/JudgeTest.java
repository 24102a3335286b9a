package dev.lethe.prove;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.results.Finding.Outcome;
import dev.lethe.results.Row;
import dev.lethe.results.Row.Apart;
import dev.lethe.results.Row.Extracted;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Verdicts on rows made by hand. */
class JudgeTest {
    private static final Apart ALIKE = new Apart(0.5, 0.4, 0.6, 0.0, 1.0);
    private static final Apart KNOWN = new Apart(0.9, 0.8, 0.95, 0.0, 1.0);

    private static Row row(String model, Apart apart, Extracted extracted) {
        return new Row("m", model, null, 1.0, 1.0, null, apart, extracted, null);
    }

    private static Judge.Verdict verdict(boolean alone, Row mine, Row original, Row... beside) {
        List<Row> all = Stream.concat(Stream.of(mine, original).filter(row -> row != null), Stream.of(beside)).toList();
        return new Judge(all, List.of(mine), original == null ? null : List.of(original), List.of(beside)).verdict(null, alone);
    }

    private static Outcome ofExtracted(Extracted extracted, Row... beside) {
        return verdict(false, row("erased", null, extracted), row("original", KNOWN, new Extracted(9, 10, 0, 30)), beside).outcome();
    }

    @Test
    void whereControlsComeOutTooMoreThanChanceMustCome() {
        assertEquals(Outcome.NOT_FOUND, ofExtracted(new Extracted(2, 10, 2, 30)));
        assertEquals(Outcome.FOUND, ofExtracted(new Extracted(6, 10, 2, 30)));
        assertEquals(Outcome.FOUND, ofExtracted(new Extracted(1, 10, 0, 30)));
        assertEquals(Outcome.NOT_FOUND, ofExtracted(new Extracted(0, 10, 0, 30)));
        assertEquals(Outcome.NOT_FOUND, ofExtracted(new Extracted(1, 10, 0, 30),
                row("retrained", ALIKE, new Extracted(1, 10, 0, 30))));
    }

    @Test
    void nothingFoundCountsOnlyBesideAnOriginalThatKnows() {
        assertEquals(Outcome.NOT_FOUND, verdict(true, row("erased", ALIKE, null), row("original", KNOWN, null)).outcome());
        assertEquals(Outcome.UNDECIDED, verdict(true, row("erased", ALIKE, null), row("original", ALIKE, null)).outcome());
        assertEquals(Outcome.UNDECIDED, verdict(true, row("erased", ALIKE, null), null).outcome());
        assertEquals(Outcome.FOUND, verdict(true, row("erased", KNOWN, null), null).outcome());
    }

    /** Where a retrained model tells nearly all pairs too, as of records of one subject after relearning others of it, nats tell. */
    @Test
    void whatIsKnownBetterThanUnderARetrainedModelIsFound() {
        Apart all = new Apart(1, 0.69, 1, 1.0, 1e-5);
        Row original = new Row("m", "original", null, 0.5, 6.9, 0.3, all, null, null);
        Row retrained = new Row("m", "retrained", null, 5.9, 6.9, 0.4, new Apart(0.91, 0.57, 0.98, 0.6, 0.005), null, null);
        Judge.Verdict found = verdict(false, new Row("m", "erased", null, 1.9, 7.0, 0.4, all, null, null), original, retrained);
        assertEquals(Outcome.FOUND, found.outcome());
        assertEquals("m: erased records lie 5.10 nats a token below records never seen, under a retrained model 1.00", found.text());
        assertEquals(Outcome.NOT_FOUND, verdict(false, new Row("m", "erased", null, 5.0, 7.0, 0.4, all, null, null), original, retrained)
                .outcome());
        assertEquals(Outcome.NOT_FOUND, verdict(false, new Row("m", "erased", null, 1.9, 7.0, null, all, null, null), original, retrained)
                .outcome());
    }

    @Test
    void aBaselineDecidesNothing() {
        Row leaks = row("erased", KNOWN, new Extracted(5, 10, 0, 30)).asBaseline();
        Row knows = row("original", KNOWN, null);
        Row alike = row("erased", ALIKE, null);
        assertEquals(Outcome.NOT_FOUND, new Judge(List.of(leaks, alike, knows), List.of(leaks, alike), List.of(knows), List.of())
                .verdict(null, true).outcome());
        assertEquals(Outcome.UNDECIDED, verdict(true, alike, knows.asBaseline()).outcome());
    }

    @Test
    void sentencesSayWhatWasMeasured() {
        String less = verdict(true, row("erased", new Apart(0.2, 0.1, 0.4, 0.0, 1.0), null), row("original", KNOWN, null)).text();
        assertTrue(less.contains("erased records look less known than those never seen"), less);
        String models = verdict(true, row("erased", new Apart(0.9, 0.8, 1, null, null), null), row("original", KNOWN, null)).text();
        assertTrue(models.contains("of a model that unlearned the records and one that never had them"), models);
        assertFalse(models.contains("erased one"), models);
    }
}
