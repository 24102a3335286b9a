package dev.lethe.objective;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.ParameterVector.Distribution;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Keep;
import dev.lethe.settings.Strategy;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.text.Example;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(NoLeaks.class)
class HoldTest {
    private static final List<Example> TEXT = List.of(example(3, 1, 4, 1, 5, 9), example(2, 7, 1, 8), example(6, 6, 6, 0, 2, 5, 9, 1));
    private Engine engine;
    private LanguageModel model;

    @BeforeEach
    void open() {
        engine = Engine.cpu();
        model = engine.model(new ModelShape(11, 12, 8, 2, 2, 16, 1e-5, true), Dtype.F64);
        model.buffer(Buffer.PARAMETERS).random(Distribution.NORMAL, 1);
        model.buffer(Buffer.PARAMETERS).scale(0.3);
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    /** A record that predicts each of its tokens but the first. */
    static Example example(int... tokens) {
        int[] targets = new int[tokens.length];
        System.arraycopy(tokens, 1, targets, 0, tokens.length - 1);
        targets[tokens.length - 1] = Batch.IGNORE;
        return new Example("text", 0, tokens, targets, false);
    }

    /** Gradient of the hold alone, after {@code moved} of a random direction. */
    private double[] gradient(List<Example> keep, int records, double moved, long seed) {
        ParameterVector weights = model.buffer(Buffer.PARAMETERS);
        try (Hold hold = new Hold(engine, model, keep, records, seed); ParameterVector whole = weights.copy();
             ParameterVector direction = model.vector()) {
            direction.random(Distribution.NORMAL, 7);
            weights.axpy(moved, direction);
            model.buffer(Buffer.GRADIENT).scale(0);
            hold.addGradient();
            weights.assign(whole);
            return all(model.buffer(Buffer.GRADIENT));
        }
    }

    private static double[] all(ParameterVector vector) {
        return vector.readDoubles(0, (int) vector.size());
    }

    @Test
    void aModelThatHasNotMovedIsNotPulled() {
        for (List<Example> keep : List.of(TEXT, List.<Example>of())) {
            for (double each : gradient(keep, 4, 0, 5)) {
                assertEquals(0, each, 1e-12);
            }
        }
    }

    @Test
    void itIsTheGradientOfTheMeanDivergenceATokenFromTheModelOfBefore() {
        double[] all = gradient(TEXT, TEXT.size(), 0.05, 5);
        ParameterVector weights = model.buffer(Buffer.PARAMETERS);
        try (LanguageModel before = Objective.copy(engine, model); ParameterVector direction = model.vector()) {
            direction.random(Distribution.NORMAL, 7);
            weights.axpy(0.05, direction);
            double h = 1e-5, slope = 0, along = 0;
            direction.random(Distribution.NORMAL, 8);
            for (int sign : new int[] {1, -1}) {
                weights.axpy(sign * h, direction);
                double[] each = model.distances().klGradient(WeightedLoss.batch(TEXT), before, false);
                weights.axpy(-sign * h, direction);
                slope += sign * (5 * each[0] + 3 * each[1] + 7 * each[2]) / 15 / (2 * h); // of 5, 3 and 7 targets
            }
            double[] d = all(direction);
            for (int i = 0; i < d.length; i++) {
                along += all[i] * d[i];
            }
            assertTrue(Math.abs(slope) > 1e-3);
            assertEquals(slope, along, 1e-6 * Math.abs(slope));
        }
    }

    @Test
    void randomTokensAreTheSeeds() {
        double[] once = gradient(List.of(), 4, 0.05, 5);
        assertArrayEquals(once, gradient(List.of(), 4, 0.05, 5));
        double[] other = gradient(List.of(), 4, 0.05, 6);
        assertTrue(IntStream.range(0, once.length).anyMatch(i -> once[i] != other[i]));
    }

    @Test
    void itsCostIsCountedInTokens() {
        EraseData data = new EraseData(TEXT, TEXT, TEXT, TEXT, List.of(), List.of(), List.of());
        assertEquals(4.0 / 3 * 4 * 16 / (8 * 6), Hold.cost(4, data, 8), 1e-12); // records of 6 tokens in the mean
        EraseData kept = new EraseData(TEXT, TEXT, TEXT, TEXT, List.of(), List.of(example(1, 2, 3)), List.of());
        assertEquals(4.0 / 3 * 4 * 3 / (8 * 6), Hold.cost(4, kept, 8), 1e-12);
    }

    @Test
    void whatStepsAreHeldTo() {
        assertEquals(4, EraseConfig.defaults().held(false));
        assertEquals(0, EraseConfig.defaults().held(true), "a model made from nothing knows nothing else");
        assertEquals(0, EraseConfig.of(Strategy.NPO).held(false));
        assertEquals(4, EraseConfig.of(Strategy.NPO).toBuilder().keep(new Keep(Path.of("text"), 1)).build().held(true));
        assertEquals(2, EraseConfig.of(Strategy.NPO).toBuilder().hold(2).build().held(true));
        assertTrue(assertThrows(BadInputException.class, () -> EraseConfig.defaults().toBuilder().hold(-2).build()).getMessage()
                .contains("hold is -2, must be -1 (automatic) or more"));
    }
}
