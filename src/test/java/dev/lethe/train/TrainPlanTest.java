package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.results.TrainListener;
import dev.lethe.shape.MemoryPlan;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a plan says of entries on their way, of GPT-2 124M in batches of 16 x 1,024 where nothing else is said. */
class TrainPlanTest {
    private static final long TOKENS = 16 * 1024;

    private static TrainListener.TrainPlan plan(long parameters, long tokens, long entryBytes) {
        return plan(parameters, tokens, entryBytes, 2 * parameters);
    }

    private static TrainListener.TrainPlan plan(long parameters, long tokens, long entryBytes, long shadow) {
        MemoryPlan memory = new MemoryPlan(0, shadow, 0, 0, 0, 0, 2 * entryBytes, 0, 0, 0, 0, 0);
        return new TrainListener.TrainPlan(100, 0, 0, 0, 12, 0, parameters, 0, 0, List.of(), 0, tokens, memory, 0);
    }

    @Test
    void theWholeModelsEntriesDoNotPassAndTheEmbeddingsDo() {
        TrainListener.TrainPlan whole = plan(124_000_000, TOKENS, 6_700_000_000L);
        assertEquals(0.134, whole.leavingSeconds(), 1e-9);
        assertTrue(whole.waitsForEntries());
        assertFalse(plan(124_000_000, TOKENS, 126_000_000).waitsForEntries());
        assertFalse(plan(124_000_000, TOKENS, 6_700_000_000L, 0).waitsForEntries(), "in fp32 a step takes longer");
    }

    @Test
    void nothingIsSaidWithoutEntriesOnADeviceOrForMilliseconds() {
        assertFalse(plan(124_000_000, TOKENS, 0).waitsForEntries());
        assertFalse(plan(10_000, 100, 400_000_000).waitsForEntries());
    }
}
