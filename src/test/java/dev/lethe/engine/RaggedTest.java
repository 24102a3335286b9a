package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.Tolerance;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** A ragged batch is the same as its records one at a time, in any order, whatever their weights. */
@ExtendWith(NoLeaks.class)
class RaggedTest {
    private static final ModelShape SHAPE = new ModelShape(101, 24, 32, 4, 2, 128, 1e-5, true);

    @Test
    void aBatchInAnyOrderIsItsRecordsOneByOne() {
        Random random = new Random(5);
        List<int[]> tokens = new ArrayList<>();
        for (int length : new int[] {24, 1, 7, 7, 13, 24, 2, 7}) {
            tokens.add(random.ints(length, 0, 101).toArray());
        }
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(SHAPE, Dtype.F32)) {
            model.initialize(3);
            double[] losses = new double[tokens.size()];
            double[] weights = random.doubles(tokens.size(), 0.1, 1).toArray();
            double[] expected = new double[(int) model.flatSize()];
            for (int b = 0; b < losses.length; b++) {
                losses[b] = model.gradient(batch(tokens, List.of(b)))[0];
                double[] gradient = gradient(model);
                for (int i = 0; i < expected.length; i++) {
                    expected[i] += weights[b] * gradient[i];
                }
            }
            List<Integer> order = new ArrayList<>(List.of(0, 1, 2, 3, 4, 5, 6, 7));
            for (int round = 0; round < 3; round++) {
                double[] own = order.stream().mapToDouble(b -> losses[b]).toArray();
                double[] shuffled = order.stream().mapToDouble(b -> weights[b]).toArray();
                Batch batch = batch(tokens, order).withWeights(shuffled);
                Tolerance.near("forward losses", own, model.losses(batch), Tolerance.REORDER_F32);
                Tolerance.near("losses", own, model.gradient(batch), Tolerance.REORDER_F32);
                Tolerance.near("gradient", expected, gradient(model), Tolerance.REORDER_F32);
                Collections.shuffle(order, random);
            }
        }
    }

    @Test
    void accumulationAddsAndWeightsDefaultToEqualShares() {
        List<int[]> tokens = List.of(new int[] {1, 2, 3, 4}, new int[] {5, 6});
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(SHAPE, Dtype.F32)) {
            model.initialize(3);
            model.gradient(batch(tokens, List.of(0, 1)));
            double[] both = gradient(model);
            model.gradient(batch(tokens, List.of(0)).withWeights(new double[] {0.5}));
            model.gradient(batch(tokens, List.of(1)).withWeights(new double[] {0.5}), true, null);
            Tolerance.near("gradient", both, gradient(model), Tolerance.REORDER_F32);
        }
    }

    @Test
    void aRecordWithoutTargetsHasNoLossAndNoGradient() {
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(SHAPE, Dtype.F32)) {
            model.initialize(3);
            int[] none = {Batch.IGNORE, Batch.IGNORE};
            double[] alone = model.gradient(Batch.of(List.of(new int[] {1, 2}), List.of(none)));
            assertEquals(0, alone[0]);
            assertEquals(0, Tolerance.relative(new double[(int) model.flatSize()], gradient(model)));
            Batch mixed = Batch.of(List.of(new int[] {1, 2}, new int[] {3, 4}), List.of(none, new int[] {4, 5}));
            assertEquals(0, model.gradient(mixed)[0]);
            double[] half = gradient(model);
            Batch second = Batch.of(List.of(new int[] {3, 4}), List.of(new int[] {4, 5}));
            model.gradient(second.withWeights(new double[] {0.5}));
            Tolerance.near("gradient", gradient(model), half, Tolerance.REORDER_F32);
        }
    }

    private static Batch batch(List<int[]> tokens, List<Integer> order) {
        List<int[]> chosen = order.stream().map(tokens::get).toList();
        return Batch.of(chosen, chosen.stream()
                .map(ids -> ids.length == 1 ? new int[] {9} : Batch.shift(ids, 0)).toList());
    }

    private static double[] gradient(LanguageModel model) {
        return model.buffer(Buffer.GRADIENT).readDoubles(0, (int) model.flatSize());
    }
}
