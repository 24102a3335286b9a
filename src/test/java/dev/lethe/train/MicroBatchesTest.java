package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.settings.TrainConfig;
import dev.lethe.text.Example;
import dev.lethe.train.BatchSizes.MicroBatches;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Where a batch that does not fit is cut. */
class MicroBatchesTest {
    private static final List<Example> EXAMPLES = IntStream.of(5, 3, 4, 9, 1, 1)
            .mapToObj(n -> new Example("r" + n, 0, new int[n], new int[n], false)).toList();
    private static final int[] ALL = {0, 1, 2, 3, 4, 5};

    @Test
    void neighboursStayTogetherWhileTheyFit() {
        assertCuts(0, new int[][] {{0, 6}});
        assertCuts(100, new int[][] {{0, 6}});
        assertCuts(9, new int[][] {{0, 2}, {2, 3}, {3, 4}, {4, 6}});
        assertCuts(12, new int[][] {{0, 3}, {3, 6}});
    }

    @Test
    void partsAreThoseOfThePiece() {
    }

    @Test
    void aRecordLongerThanMemoryIsRefusedByName() {
        BadInputException e = assertThrows(BadInputException.class, () -> MicroBatches.cut(EXAMPLES, ALL, 8));
        assertTrue(e.getMessage().startsWith("record r9 has 9 tokens, and only 8 fit"), e.getMessage());
    }

    @Test
    void boundsOfABatchAreItsLongestRecords() {
        TrainConfig config = TrainConfig.builder().batchSize(2).build();
        assertEquals(14, BatchSizes.of(EXAMPLES, config, 0).tokens());
        assertEquals(9, BatchSizes.of(EXAMPLES, config, 10).tokens());
        assertEquals(2, BatchSizes.of(EXAMPLES, config, 10).most());
    }

    private static void assertCuts(long limit, int[][] expected) {
        assertArrayEquals(expected, MicroBatches.cut(EXAMPLES, ALL, limit).toArray(int[][]::new));
    }
}
