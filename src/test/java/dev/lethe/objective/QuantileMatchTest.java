package dev.lethe.objective;

import static dev.lethe.objective.HoldTest.example;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.ParameterVector.Distribution;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Strategy;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.text.Example;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(NoLeaks.class)
class QuantileMatchTest {
    private static final List<Example> FORGET = List.of(example(3, 1, 4, 1, 5, 9), example(2, 7, 1, 8), example(6, 6, 0, 2));
    private static final List<Example> HELD_OUT = List.of(example(5, 9, 10, 3), example(1, 10, 2, 8, 8, 4, 7), example(0, 3));
    private Engine engine;
    private LanguageModel model;

    @BeforeEach
    void open() {
        engine = Engine.cpu();
        model = engine.model(new ModelShape(11, 12, 8, 2, 2, 16, 1e-5, true), Dtype.F64);
        model.buffer(Buffer.PARAMETERS).random(Distribution.NORMAL, 1);
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    /** numpy.quantile([1, 2, 4, 9], [0, .125, .3, .5, .9, 1], method="hazen"). */
    @Test
    void quantilesAreNumpysByHazen() {
        double[] ascending = {1, 2, 4, 9};
        assertArrayEquals(new double[] {1, 1, 1.7, 3, 9, 9},
                NeverSeen.alike(ascending).quantiles(new double[] {0, 0.125, 0.3, 0.5, 0.9, 1}), 1e-12);
        assertArrayEquals(new double[] {5}, NeverSeen.alike(5).quantiles(new double[] {0.7}));
    }

    @Test
    void eachTokenIsPulledToTheQuantileOfItsRank() {
        double[] pulls = QuantileMatch.pulls(new double[] {30, Double.NaN, 0.5, 3, 6}, NeverSeen.alike(1, 2, 4, 9));
        assertArrayEquals(new double[] {1, 0, -0.25, 0.5, 1}, pulls, 1e-12); // 30 to 9, 0.5 to 1, 3 to 2, 6 to 4
        assertArrayEquals(new double[2], QuantileMatch.pulls(new double[] {4, 2}, NeverSeen.alike(2, 4)));
    }

    /** The gradient along a direction is the difference quotient of the distance, whose ranks do not change so near. */
    @Test
    void theGradientIsThatOfTheDistance() {
        QuantileMatch match = new QuantileMatch(model, FORGET, neverSeen().scaledTo(3), 3, 0);
        double[] quantiles = scaled(losses(HELD_OUT), 3);
        ParameterVector weights = model.buffer(Buffer.PARAMETERS);
        try (ParameterVector whole = weights.copy(); ParameterVector direction = model.vector()) {
            direction.random(Distribution.NORMAL, 7);
            model.buffer(Buffer.GRADIENT).scale(0);
            match.addGradient(0.5);
            double slope = model.buffer(Buffer.GRADIENT).dot(direction);
            double step = 1e-6;
            weights.axpy(step, direction);
            double above = distance(losses(FORGET), quantiles);
            weights.assign(whole);
            weights.axpy(-step, direction);
            double below = distance(losses(FORGET), quantiles);
            assertEquals((above - below) / (2 * step), slope / 0.5, 1e-6 * Math.abs(slope));
            assertTrue(Math.abs(slope) > 1e-3, "a slope that shows something: " + slope);
        }
    }

    @Test
    void aDistributionThatIsTheSameIsLeftAlone() {
        model.buffer(Buffer.GRADIENT).scale(0);
        new QuantileMatch(model, HELD_OUT, neverSeen(), 3, 0).addGradient(1);
        assertEquals(0, model.buffer(Buffer.GRADIENT).dot(model.buffer(Buffer.GRADIENT)), 1e-24);
    }

    @Test
    void aWeightIsNoLessThanNone() {
        assertEquals(1, EraseConfig.defaults().matched());
        assertEquals(0, EraseConfig.paper().matched());
        assertEquals(0, EraseConfig.of(Strategy.GAUSS_NEWTON).matched());
        assertEquals(0, EraseConfig.of(Strategy.NPO).matched());
        assertEquals(0.5, EraseConfig.of(Strategy.GAUSS_NEWTON).toBuilder().match(0.5).build().matched());
        assertTrue(assertThrows(BadInputException.class, () -> EraseConfig.defaults().toBuilder().match(-2).build()).getMessage()
                .contains("match is -2.0, must be -1 (automatic), 0 (none) to 100"));
        assertTrue(assertThrows(BadInputException.class, () -> EraseConfig.of(Strategy.NPO).toBuilder().match(1).build()).getMessage()
                .contains("match is 1.0, must be 0: only a calibrated ascent has an end that matches"));
    }

    private NeverSeen neverSeen() {
        return NeverSeen.of(model, FORGET, HELD_OUT, List.of(), 0);
    }

    private double[] losses(List<Example> records) {
        return Arrays.stream(model.score(WeightedLoss.batch(records)).logProbability()).filter(said -> !Double.isNaN(said))
                .map(said -> -said).sorted().toArray();
    }

    private static double[] scaled(double[] losses, double mean) {
        double now = Arrays.stream(losses).average().orElseThrow();
        return Arrays.stream(losses).map(loss -> loss * mean / now).toArray();
    }

    /** Mean of Huber's loss over its knee of 2 nats, in a straightforward way. */
    private static double distance(double[] ascending, double[] quantiles) {
        double[] wanted = NeverSeen.alike(quantiles).quantiles(
                IntStream.range(0, ascending.length).mapToDouble(r -> (r + 0.5) / ascending.length).toArray());
        return IntStream.range(0, ascending.length).mapToDouble(r -> {
            double away = Math.abs(ascending[r] - wanted[r]);
            return away <= 2 ? away * away / 4 : away - 1;
        }).average().orElseThrow();
    }
}
