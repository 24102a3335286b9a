package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.AdamW;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.engine.NoLeaks;
import dev.lethe.settings.Schedule;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.SiteSet;
import dev.lethe.text.Example;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(NoLeaks.class)
class FineTuneTest {
    private static final AdamW OPTIMIZER = AdamW.defaults().withLearningRate(1e-2);
    private static final List<Example> EXAMPLES = IntStream.range(0, 10).mapToObj(i -> {
        int[] tokens = IntStream.range(0, 6).map(t -> (i * 5 + t * t) % 13).toArray();
        return new Example("r" + i, i, tokens, Batch.shift(tokens, 1), false);
    }).toList();

    private Engine engine;
    private LanguageModel model;

    @BeforeEach
    void open() {
        engine = Engine.cpu();
        model = engine.model(new ModelShape(13, 8, 16, 2, 2, 32, 1e-5, true), Dtype.F32);
        model.initialize(5);
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    @Test
    void learns() {
        FineTune tune = new FineTune(model, EXAMPLES, new FineTune.Options(4, OPTIMIZER, null, 1));
        double first = tune.step();
        tune.run(100, Schedule.CONSTANT);
        double last = tune.run(10, Schedule.LINEAR);
        assertTrue(last < 0.7 * first, first + " to " + last);
        assertEquals(111, tune.steps());
        assertTrue(Double.isNaN(tune.run(0, Schedule.LINEAR)));
    }

    @Test
    void repeatsItself() {
        float[] start = parameters();
        float[] once = tuned(null);
        model.buffer(Buffer.PARAMETERS).writeFloats(0, start);
        assertArrayEquals(once, tuned(null));
    }

    @Test
    void movesOnlyTheSitesAsked() {
        float[] start = parameters();
        SiteSet sites = model.sites("mlp");
        float[] end = tuned(sites);
        for (TensorInfo tensor : model.tensors()) {
            int from = Math.toIntExact(tensor.offset());
            int to = Math.toIntExact(tensor.offset() + tensor.count());
            boolean moved = !Arrays.equals(start, from, to, end, from, to);
            assertEquals(sites.contains(tensor.site()), moved, tensor.name());
        }
        assertFalse(sites.isEmpty());
    }

    private float[] tuned(SiteSet sites) {
        new FineTune(model, EXAMPLES, new FineTune.Options(3, OPTIMIZER, sites, 9)).run(5, Schedule.COSINE);
        return parameters();
    }

    private float[] parameters() {
        return model.buffer(Buffer.PARAMETERS).readFloats(0, Math.toIntExact(model.flatSize()));
    }

    @Test
    void needsExamplesAndABatch() {
        FineTune.Options options = new FineTune.Options(4, OPTIMIZER, null, 1);
        assertEquals("fine-tuning on 0 examples in batches of 4: both must be at least 1",
                assertThrows(IllegalArgumentException.class, () -> new FineTune(model, List.of(), options)).getMessage());
    }
}
