package dev.lethe.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Batch;
import dev.lethe.settings.TrainConfig.OnLong;
import dev.lethe.settings.TrainConfig.OnLong;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Encoding with a tokenizer of one id a character, so that expected ids can be read off, and planning batches. */
class EncoderTest {
    private static final int END = 0;
    private static final int IGNORE = Batch.IGNORE;

    private static Encoder encoder(int context, OnLong onLong) {
        return new Encoder(text -> text.chars().toArray(), END, context, onLong);
    }

    private static TextRecord text(String id, String text) {
        return new TextRecord(id, null, null, text);
    }

    @Test
    void wholeTextLearnsAllButItsFirstToken() {
        Example example = encoder(8, OnLong.ERROR).encode(List.of(text("a", "xyz"))).getFirst();
        assertArrayEquals(new int[] {'x', 'y', 'z'}, example.tokens());
        assertArrayEquals(new int[] {'y', 'z', END}, example.targets());
        assertEquals(3, example.targetCount());
        assertArrayEquals(new int[] {'x'}, example.promptTokens());
    }

    @Test
    void promptCarriesNoLoss() {
        Example example = encoder(8, OnLong.ERROR).encode(List.of(new TextRecord("a", null, "pq", "z"))).getFirst();
        assertArrayEquals(new int[] {'p', 'q', ' ', 'z'}, example.tokens());
        assertArrayEquals(new int[] {IGNORE, ' ', 'z', END}, example.targets());
        assertEquals(3, example.targetCount());
        assertArrayEquals(new int[] {'p', 'q'}, example.promptTokens());
        assertArrayEquals(new int[] {' ', 'z', END}, example.targetTokens());
    }

    @Test
    void truncatesAndCounts() {
        Encoder encoder = encoder(3, OnLong.TRUNCATE);
        List<Example> examples = encoder.encode(List.of(text("a", "wxyz"), text("b", "xyz")));
        assertEquals(1, encoder.truncated());
        assertTrue(examples.get(0).truncated());
        assertArrayEquals(new int[] {'w', 'x', 'y'}, examples.get(0).tokens());
        assertArrayEquals(new int[] {'x', 'y', 'z'}, examples.get(0).targets());
        assertFalse(examples.get(1).truncated());
        assertArrayEquals(new int[] {'y', 'z', END}, examples.get(1).targets());
        assertEquals(1, examples.get(1).index());
    }

    @Test
    void refusesWhatCannotBeLearned() {
        assertEquals("record a: 5 tokens, the model's context allows 4; shorten it, or truncate",
                failure(encoder(3, OnLong.ERROR), text("a", "wxyz"), text("b", "xyz")));
        assertEquals("record p: its prompt of 4 tokens alone fills the context of 3, nothing is left to learn; shorten it",
                failure(encoder(3, OnLong.TRUNCATE), new TextRecord("p", null, "abcd", "e")));
        assertEquals("record s: has no token to learn",
                failure(new Encoder(t -> t.chars().toArray(), -1, 3, OnLong.TRUNCATE), text("s", "x")));
    }

    @Test
    void namesTheRecordsThatTheTokenizerRefuses() {
        Encoder encoder = new Encoder(text -> {
            throw new BadInputException("too " + text);
        }, END, 4, OnLong.TRUNCATE);
        assertEquals("record a: too long\nrecord b: too odd", failure(encoder, text("a", "long"), text("b", "odd")));
    }

    @Test
    void planVisitsEveryRecordOnceAndDependsOnSeedAndEpoch() {
        List<Example> examples = IntStream.range(0, 23)
                .mapToObj(i -> new Example("r" + i, i, new int[] {i}, new int[] {i}, false)).toList();
        List<int[]> plan = BatchPlan.epoch(examples, 5, 1, 0);
        assertEquals(List.of(5, 5, 5, 5, 3), plan.stream().map(b -> b.length).toList());
        assertArrayEquals(IntStream.range(0, 23).toArray(), flat(plan).sorted().toArray());
        assertArrayEquals(flat(plan).toArray(), flat(BatchPlan.epoch(examples, 5, 1, 0)).toArray());
        assertFalse(Arrays.equals(flat(plan).toArray(), flat(BatchPlan.epoch(examples, 5, 1, 1)).toArray()));
        assertFalse(Arrays.equals(flat(plan).toArray(), flat(BatchPlan.epoch(examples, 5, 2, 0)).toArray()));
        assertTrue(BatchPlan.epoch(List.of(), 5, 1, 0).isEmpty());
        Batch batch = BatchPlan.batch(examples, new int[] {4, 2});
        assertEquals(2, batch.records());
        assertArrayEquals(new int[] {4, 2}, batch.tokens());
    }

    /** The same plan on every machine and version: resuming and reproducing depend on it. */
    @Test
    void planIsFixed() {
        List<Example> examples = IntStream.range(0, 8)
                .mapToObj(i -> new Example("r" + i, i, new int[] {i}, new int[] {i}, false)).toList();
        assertArrayEquals(new int[] {0, 4, 1, 6, 7, 3, 2, 5}, flat(BatchPlan.epoch(examples, 3, 0, 0)).toArray());
    }

    private static IntStream flat(List<int[]> plan) {
        return plan.stream().flatMapToInt(Arrays::stream);
    }

    private static String failure(Encoder encoder, TextRecord... records) {
        return assertThrows(BadInputException.class, () -> encoder.encode(List.of(records))).getMessage();
    }
}
