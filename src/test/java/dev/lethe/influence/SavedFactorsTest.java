package dev.lethe.influence;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Batch;
import dev.lethe.engine.Engine;
import dev.lethe.engine.KroneckerFactors;
import dev.lethe.engine.KroneckerFactors.Fisher;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.ParameterVector;
import dev.lethe.influence.FactorFit.Options;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.text.Example;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Factors are fitted once for one model, its records and sites, and again for anything else. */
@ExtendWith(NoLeaks.class)
class SavedFactorsTest {
    private static final ModelShape SHAPE = new ModelShape(30, 12, 8, 2, 1, 16, 1e-5, true);

    @TempDir
    Path folder;

    private final List<String> told = new ArrayList<>();
    private Engine engine;
    private LanguageModel model;
    private List<Example> examples;

    @BeforeEach
    void open() {
        engine = Engine.cpu();
        model = engine.model(SHAPE, Dtype.F64);
        model.initialize(3);
        SplittableRandom random = new SplittableRandom(8);
        examples = IntStream.range(0, 6).mapToObj(i -> {
            int[] tokens = random.ints(4 + i, 0, 30).toArray();
            return new Example("r" + i, i, tokens, Batch.shift(tokens, 1), false);
        }).toList();
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    /** The inverse over the MLP's c_proj of a seeded vector, and what was told. */
    private double[] inverse(String hash, String sites, int records) {
        SavedFactors saved = new SavedFactors(folder.resolve("factors/ekfac.bin"), hash, told::add, Runnable::run);
        Options options = new Options(model.sites(sites), Fisher.SAMPLED, true, 0, 4, 7);
        try (KroneckerFactors factors = saved.of(model, examples.subList(0, records), options, FactorFit.Listener.NONE);
                ParameterVector vector = model.vector()) {
            vector.random(ParameterVector.Distribution.NORMAL, 1);
            factors.apply(0, 0.1, -1, vector, vector);
            return vector.readDoubles(model.sites("h.0.mlp.c_proj"));
        }
    }

    private void assertTold(String start) {
        assertTrue(told.removeFirst().startsWith(start), told.toString());
    }

    @Test
    void theyAreReadWhenTheyFitAndFittedAgainWhenTheyDoNot() throws IOException {
        Path file = folder.resolve("factors/ekfac.bin");
        double[] fitted = inverse("a", "mlp", 6);
        assertTold("factors of 6 records fitted and kept in " + file);
        assertArrayEquals(fitted, inverse("a", "mlp", 6));
        assertTold("factors of 6 records from " + file);
        assertArrayEquals(fitted, inverse("a", "h.0.mlp.c_proj", 6), "a block of more sites is the same block");
        assertTold("factors of 6 records from " + file);
        inverse("b", "mlp", 6);
        assertTold("fitting again: " + file + ": factors of model a, this is model b");
        assertTold("factors of 6 records fitted");
        inverse("b", "mlp", 5);
        assertTold("fitting again: " + file + " is of 6 records, wanted are 5");
        assertTold("factors of 5 records fitted");
        inverse("b", "all", 5);
        assertTold("fitting again: " + file + " has only the sites h.0.mlp.c_fc, h.0.mlp.c_proj");
        assertTold("factors of 5 records fitted");
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length / 2] ^= 1;
        Files.write(file, bytes);
        inverse("b", "all", 5);
        assertTold("fitting again: " + file);
        assertTold("factors of 5 records fitted");
        assertEquals(List.of(), told);
    }
}
