package dev.lethe.natives;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lethe.base.EngineException;
import dev.lethe.engine.AdamW;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Generation;
import dev.lethe.engine.ModelLayout;
import dev.lethe.shape.Device;
import dev.lethe.shape.ModelShape;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** The value types that need no native library: what they accept, and the exact words when they do not. */
class RecordsTest {
    @Test
    void devices() {
        assertEquals(Device.cpu(), Device.parse("cpu"));
        assertEquals(new Device(Device.Kind.CUDA, 0), Device.parse("cuda"));
        assertEquals("cuda:3", Device.parse("cuda:3").toString());
        refuses("device 'gpu': use cpu, cuda or cuda:N", () -> Device.parse("gpu"));
        refuses("device 'cuda:-1': use cpu, cuda or cuda:N", () -> Device.parse("cuda:-1"));
    }

    @Test
    void shapesListAllProblems() {
        assertEquals(124_439_808, ModelLayout.of(ModelShape.gpt2(12, 768, 12, 1024)).parameters());
        refuses("model shape: vocabulary 0 is not between 1 and 2147483647; channels 10 is not divisible by heads 4; "
                + "normEpsilon 0.0 is not between 0 and 1",
                () -> new ModelShape(0, 8, 10, 4, 1, 40, 0, true));
    }

    @Test
    void optimizerOptionsListAllProblems() {
        assertEquals(1e-3, AdamW.defaults().withLearningRate(1e-3).learningRate());
        refuses("AdamW: learning rate NaN is not a number at or above 0; beta2 1.0 is not in [0, 1); epsilon 0.0 is "
                + "not above 0", () -> new AdamW(Double.NaN, 0.9, 1, 0, 0, 0));
    }

    @Test
    void generationOptions() {
        assertEquals(1, Generation.greedy(4).topK());
        refuses("generation: max new tokens 0 is below 1", () -> Generation.greedy(0));
        refuses("generation: temperature 0.0 is not above 0", () -> new Generation(1, 0, 0, 0, -1));
    }

    @Test
    void batchesJoinRecords() {
        Batch batch = Batch.of(List.of(new int[] {1, 2, 3}, new int[] {4}),
                List.of(new int[] {-100, 3, 9}, new int[] {5}));
        assertArrayEquals(new long[] {0, 3, 4}, batch.offsets());
        assertArrayEquals(new int[] {1, 2, 3, 4}, batch.tokens());
        assertArrayEquals(new int[] {-100, 3, 9, 5}, batch.targets());
        assertEquals(2, batch.targetCount(0));
        batch.tokens()[0] = 99;
        assertEquals(1, batch.tokens()[0], "accessors return copies");
    }

    @Test
    void batchesRefuseWhatCannotBe() {
        List<int[]> one = List.of(new int[] {1});
        refuses("batch: no record", () -> Batch.of(List.of(), List.of()));
        refuses("batch: record 1 has no token", () -> Batch.prompts(List.of(new int[] {1}, new int[0])));
        refuses("batch: record 0 has 1 tokens but 2 targets", () -> Batch.of(one, List.of(new int[] {1, 2})));
        refuses("batch: 1 token arrays but 0 target arrays", () -> Batch.of(one, List.of()));
        refuses("batch: 2 weights for 1 records", () -> Batch.of(one, one).withWeights(new double[] {1, 1}));
        refuses("batch: weight of record 0 is 0.0; it must be finite and not 0",
                () -> Batch.of(one, one).withWeights(new double[] {0}));
    }

    @Test
    void shiftedTargets() {
        assertArrayEquals(new int[] {6, 7, -100}, Batch.shift(new int[] {5, 6, 7}, 0));
        assertArrayEquals(new int[] {-100, 7, -100}, Batch.shift(new int[] {5, 6, 7}, 2));
        assertArrayEquals(new int[] {-100}, Batch.shift(new int[] {5}, 0));
    }

    @Test
    void missingLibrarySaysWhatToRun() {
        EngineException e = assertThrows(EngineException.class, () -> NativeLibrary.named("LETHE_NATIVE", "/no/b.so"));
        assertEquals("LETHE_NATIVE names /no/b.so, which is not a file; build it with: ./lethe build", e.getMessage());
        assertEquals(EngineException.Status.UNSUPPORTED, e.status());
    }

    @Test
    void anotherAbiVersionSaysBothNumbers() {
        NativeLibrary.checkVersion("x.so", 1, 1);
        EngineException e = assertThrows(EngineException.class,
                () -> NativeLibrary.checkVersion("x.so", 3, 1));
        assertEquals("x.so has ABI version 3 but this build of Lethe needs 1; use the two of one build: ./lethe build",
                e.getMessage());
    }

    private static void refuses(String message, Executable what) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, what).getMessage());
    }
}
