package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.shape.Dtype;
import dev.lethe.shape.Site;
import dev.lethe.shape.Tolerance;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/** Every pass against transformers' GPT2LMHeadModel and torch.optim.AdamW, tied and untied, fp32 and fp64. */
@ExtendWith(NoLeaks.class)
@ParameterizedClass(name = "{0} {1}")
@CsvSource({"tied, F64", "untied, F64", "tied, F32", "untied, F32"})
class ParityTest {
    /** Gradients below this are rounding noise in the reference itself: those of a single token's attention. */
    private static final double NOTHING = 1e-12;

    @Parameter(0)
    String name;
    @Parameter(1)
    Dtype dtype;

    private Golden golden;
    private Engine engine;
    private LanguageModel model;

    @BeforeEach
    void open() {
        golden = Golden.of(name);
        engine = Engine.cpu();
        model = golden.model(engine, dtype);
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    @Test
    void layoutIsTheCheckpoints() {
        assertEquals(ModelLayout.of(golden.shape()).parameters(), model.parameters());
        assertEquals(model.parameters(), model.tensors().stream().mapToLong(ModelLayout.TensorInfo::count).sum());
        assertEquals(golden.numbers().get("sites").valueStream().map(JsonNode::asString).toList(),
                model.sites().stream().map(Site::name).toList());
    }

    @Test
    void logits() {
        near("logits", golden.array("logits"), model.logits(golden.batch()));
    }

    @Test
    void lossesAndTokenScores() {
        Batch batch = golden.batch();
        near("losses", golden.doubles("losses"), model.losses(batch));
        LanguageModel.TokenScores scores = model.score(batch);
        near("losses of score", golden.doubles("losses"), scores.losses());
        int[] targets = batch.targets();
        near("log p", atTargets(golden.array("log_probability"), targets), atTargets(scores.logProbability(), targets));
        near("mean", atTargets(golden.array("log_probability_mean"), targets), atTargets(scores.mean(), targets));
        near("deviation", atTargets(golden.array("log_probability_deviation"), targets),
                atTargets(scores.deviation(), targets));
        for (int t = 0; t < targets.length; t++) {
            boolean ignored = targets[t] == Batch.IGNORE;
            assertEquals(ignored, Double.isNaN(scores.logProbability()[t]), "NaN at " + t);
            assertEquals(!ignored && golden.numbers().get("greedy_hit").get(t).asBoolean(), scores.greedyHit()[t]);
        }
    }

    @Test
    void gradientOfTheBatch() {
        Batch batch = golden.batch();
        double[] losses = model.gradient(batch);
        near("losses", golden.doubles("losses"), losses);
        double[] weights = batch.weights();
        double mean = IntStream.range(0, weights.length).mapToDouble(b -> weights[b] * losses[b]).sum();
        near("token mean", new double[] {golden.number("loss")}, new double[] {mean});
        nearEveryTensor("gradient");
    }

    @Test
    void gradientOfEachRecord() {
        for (int b = 0; b < golden.records(); b++) {
            model.gradient(golden.record(b));
            nearEveryTensor("record" + b);
        }
    }

    @Test
    void activationGradient() {
        near("activation gradient", golden.array("activation_gradient"),
                model.activationGradient(golden.batch(), false));
    }

    @Test
    void threeAdamWSteps() {
        double[] start = flat(Buffer.PARAMETERS);
        double[] rates = golden.doubles("rates");
        double[] norms = new double[rates.length];
        for (int i = 0; i < rates.length; i++) {
            model.gradient(golden.batch());
            AdamW options = new AdamW(rates[i], 0.9, 0.999, 1e-8, golden.number("weight_decay"), 1.0);
            norms[i] = model.step(options, i + 1);
        }
        near("norms", golden.doubles("norms"), norms);
        double[] expected = golden.flat("adamw", model);
        double[] actual = flat(Buffer.PARAMETERS);
        near("parameters", expected, actual);
        if (dtype == Dtype.F64) { // in fp32, Adam divides the rounding noise of zero gradients (key biases) by itself
            near("displacement", minus(expected, start), minus(actual, start));
        }
    }

    @Test
    void oneAscentStep() {
        double[] expected = golden.flat("weights", model);
        double[] gradient = golden.flat("record0", model);
        for (int i = 0; i < expected.length; i++) {
            expected[i] += golden.number("ascent") * gradient[i];
        }
        model.gradient(golden.record(0));
        try (ParameterVector direction = model.buffer(Buffer.GRADIENT).copy()) {
            model.buffer(Buffer.PARAMETERS).axpy(golden.number("ascent"), direction);
        }
        near("parameters", expected, flat(Buffer.PARAMETERS));
        near("losses", golden.doubles("ascended"), model.losses(golden.batch()));
        assertTrue(golden.doubles("ascended")[0] > golden.doubles("losses")[0], "ascent raises the loss");
    }

    @Test
    void greedyGeneration() {
        int[][] produced = model.generate(golden.arrays("prompts"), Generation.greedy(6));
        assertArrayEquals(golden.arrays("generated").toArray(int[][]::new), produced);
    }

    @Test
    void drawsOfOnePromptAreThoseOfEachSeed() {
        List<int[]> prompt = List.of(golden.arrays("prompts").getFirst());
        long[] seeds = {5, 6, 7, 5};
        int[][] together = model.generate(Collections.nCopies(seeds.length, prompt.getFirst()), new Generation(6, 0, 1, 0, -1), seeds);
        for (int i = 0; i < seeds.length; i++) {
            assertArrayEquals(model.generate(prompt, new Generation(6, 0, 1, seeds[i], -1))[0], together[i]);
        }
        assertFalse(Arrays.equals(together[0], together[1]) && Arrays.equals(together[1], together[2]));
        assertEquals("generation: 4 seeds for 1 prompts, must be as many", assertThrows(IllegalArgumentException.class,
                () -> model.generate(prompt, Generation.greedy(6), seeds)).getMessage());
    }

    private void nearEveryTensor(String group) {
        double[] actual = flat(Buffer.GRADIENT);
        near(group, golden.flat(group, model), actual);
        for (ModelLayout.TensorInfo tensor : model.tensors()) {
            double[] expected = golden.array(group + "/" + tensor.name());
            if (Tolerance.relative(new double[expected.length], expected) > NOTHING) {
                near(group + " " + tensor.name(), expected, Golden.slice(actual, tensor));
            }
        }
    }

    private double[] flat(Buffer buffer) {
        return model.buffer(buffer).readDoubles(0, (int) model.flatSize());
    }

    private void near(String what, double[] expected, double[] actual) {
        Tolerance.near(what, expected, actual, Tolerance.parity(dtype));
    }

    private static double[] atTargets(double[] values, int[] targets) {
        return IntStream.range(0, targets.length).filter(t -> targets[t] != Batch.IGNORE).mapToDouble(t -> values[t])
                .toArray();
    }

    private static double[] minus(double[] a, double[] b) {
        return IntStream.range(0, a.length).mapToDouble(i -> a[i] - b[i]).toArray();
    }
}
