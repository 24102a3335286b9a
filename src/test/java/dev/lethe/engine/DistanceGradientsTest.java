package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lethe.base.EngineException;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.Tolerance;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.CsvSource;

/** Gradients toward a reference against torch's autograd (src/test/golden/distances.py), tied and untied, fp32 and fp64. */
@ExtendWith(NoLeaks.class)
@ParameterizedClass(name = "{0} {1}")
@CsvSource({"tied, F64", "untied, F64", "tied, F32", "untied, F32"})
class DistanceGradientsTest {
    @Parameter(0)
    String name;
    @Parameter(1)
    Dtype dtype;

    private Golden golden;   // weights and records
    private Golden distance; // values and gradients
    private Engine engine;
    private LanguageModel model;
    private LanguageModel reference;
    private Batch batch;

    @BeforeEach
    void open() {
        golden = Golden.of(name);
        distance = Golden.of("distances-" + name);
        engine = Engine.cpu();
        model = golden.model(engine, dtype);
        reference = golden.model(engine, dtype);
        try (ParameterVector weights = reference.buffer(Buffer.PARAMETERS).copy()) {
            weights.scale(distance.number("scale"));
            reference.buffer(Buffer.PARAMETERS).assign(weights);
        }
        batch = golden.batch().withWeights(distance.doubles("weights"));
    }

    @AfterEach
    void close() {
        reference.close();
        model.close();
        engine.close();
    }

    @Test
    void gradientsAndValues() {
        check("kl", model.distances().klGradient(batch, reference, false));
        check("vector", model.distances().hiddenGradient(batch, 0, distance.doubles("target"), false));
        if (name.equals("untied")) {
            check("model", model.distances().hiddenGradient(batch, (int) model.shape().layers() - 1, reference, false));
        }
    }

    @Test
    void addsToOtherGradients() {
        model.gradient(batch);
        double[] expected = gradient();
        for (String part : List.of("kl", "vector")) {
            double[] values = distance.flat(part, model);
            for (int i = 0; i < expected.length; i++) {
                expected[i] += values[i];
            }
        }
        model.gradient(batch);
        model.distances().klGradient(batch, reference, true);
        model.distances().hiddenGradient(batch, 0, distance.doubles("target"), true);
        near("sum", expected, gradient());
    }

    @Test
    void equalModelsAreAtNoDistance() {
        try (LanguageModel twin = golden.model(engine, dtype)) {
            double[] zeros = new double[batch.records()];
            near("KL", zeros, model.distances().klGradient(batch, twin, false));
            near("mean square", zeros, model.distances().hiddenGradient(batch, 0, twin, true));
            near("gradient", new double[(int) model.flatSize()], gradient());
        }
    }

    @Test
    void refusals() {
        DistanceGradients distances = model.distances();
        Batch prompts = Batch.prompts(List.of(new int[] {1, 2}));
        refuses(IllegalArgumentException.class, "KL gradient: the batch has no targets",
                () -> distances.klGradient(prompts, reference, false));
        refuses(IllegalArgumentException.class, "hidden gradient: the target has 2 elements, the model has "
                + model.shape().channels() + " channels", () -> distances.hiddenGradient(prompts, 0, new double[2], false));
        refuses(IllegalArgumentException.class, "flat gradient: the batch has no targets", () -> distances.flatGradient(prompts, false));
        refuses(IllegalArgumentException.class, "weighed gradient: 3 weights for a batch of " + batch.tokenCount() + " tokens",
                () -> distances.weighedGradient(batch, new double[3], false));
        refuses(EngineException.class, "dampened gradient: loss.penalty is -1, allowed at least 0 with kind TOWARD, and 0 with others",
                () -> distances.dampenedGradient(batch, reference, -1, false));
        refuses(EngineException.class, "KL gradient: reference is the model itself; copy its parameters into another one",
                () -> distances.klGradient(batch, model, false));
        long layers = model.shape().layers();
        refuses(EngineException.class, "hidden gradient: layer is " + layers + ", the model's are 0 to " + (layers - 1),
                () -> distances.hiddenGradient(prompts, (int) layers, reference, false));
        Dtype wrong = dtype == Dtype.F32 ? Dtype.F64 : Dtype.F32;
        try (LanguageModel other = golden.model(engine, wrong)) {
            refuses(EngineException.class, "KL gradient: reference is of another shape or dtype than the model",
                    () -> distances.klGradient(batch, other, false));
            other.close();
            assertThrows(IllegalStateException.class, () -> distances.klGradient(batch, other, false));
        }
    }

    private void check(String what, double[] values) {
        near(what + " values", distance.doubles(what), values);
        near(what + " gradient", distance.flat(what, model), gradient());
    }

    private double[] gradient() {
        return model.buffer(Buffer.GRADIENT).readDoubles(0, (int) model.flatSize());
    }

    private void near(String what, double[] expected, double[] actual) {
        Tolerance.near(what, expected, actual, dtype == Dtype.F64 ? Tolerance.PARITY_F64 : Tolerance.FACTORED_F32);
    }

    private static <E extends Exception> void refuses(Class<E> type, String message, Executable call) {
        assertEquals(message, assertThrows(type, call).getMessage());
    }
}
