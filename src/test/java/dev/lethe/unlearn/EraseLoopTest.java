package dev.lethe.unlearn;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** How long the annealed end is and how often it looks, by hand. */
class EraseLoopTest {
    @Test
    void theAnnealedEndGrowsWithTheTraining() {
        EraseConfig automatic = EraseConfig.defaults();
        assertEquals(100, Method.polish(automatic, 225));
        assertEquals(100, Method.polish(automatic, 700));
        assertEquals(990, Method.polish(automatic, 6930));
        assertEquals(Integer.MAX_VALUE, Method.polish(automatic, Long.MAX_VALUE));
        assertEquals(7, Method.polish(automatic.toBuilder().polish(7).build(), 6930));
        assertEquals(0, Method.polish(EraseConfig.of(Strategy.NPO), 6930));
    }

    /** A look at F records is F / 3 gradients, a step on B of them B: a quarter of the steps' price is F / 3 / (B / 4). */
    @Test
    void aLookCostsAQuarterOfTheStepsBeforeIt() {
        assertEquals(1, EraseLoop.stepsToALook(1, 8));
        assertEquals(1, EraseLoop.stepsToALook(6, 8));
        assertEquals(2, EraseLoop.stepsToALook(10, 8));
        assertEquals(4, EraseLoop.stepsToALook(20, 8));
        assertEquals(34, EraseLoop.stepsToALook(200, 8));
    }
}
