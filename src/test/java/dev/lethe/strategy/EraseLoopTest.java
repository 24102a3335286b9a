package dev.lethe.strategy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Strategy;
import dev.lethe.shape.ModelShape;
import java.util.List;
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

    @Test
    void sitesThatNobodyNamedFitTheModel() {
        ModelShape whole = new ModelShape(512, 64, 64, 4, 2, 256, 1e-5, true);
        ModelShape adapted = whole.withAdapters(List.of(new ModelShape.Adapter("h.0.attn.c_attn", 2, 1)));
        assertEquals("embedding", EraseConfig.defaults().settled(whole).sites());
        assertEquals("all", EraseConfig.defaults().settled(adapted).sites());
        assertEquals("mlp-output", EraseConfig.of(Strategy.RMU).settled(whole).sites());
        assertEquals("all", EraseConfig.of(Strategy.NPO).settled(whole).sites());
        assertEquals("head", EraseConfig.defaults().toBuilder().sites("head").build().settled(adapted).sites());
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
