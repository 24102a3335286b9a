package dev.lethe.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.settings.TrainConfig;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import dev.lethe.train.TinyData;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Orders: the usual one, one with places masked, one with late places; all on paper, without a model. */
class TrainOrderTest {
    private static TrainConfig config(int epochs) {
        return TinyData.config().epochs(epochs).build();
    }

    private static RunInfo.Plan plan(int records, List<Integer> late, List<Integer> masked) {
        return new RunInfo.Plan(records, late, masked, List.of());
    }

    @Test
    void theUsualOrderIsTheShuffleOfEachEpoch() {
        List<Example> records = Collections.nCopies(10, null);
        TrainOrder order = new TrainOrder(config(3), RunInfo.Plan.whole(10));
        assertEquals(9, order.steps());
        for (int step = 0; step < 9; step++) {
            assertEquals(step / 3, order.epoch(step));
            assertArrayEquals(BatchPlan.epoch(records, 4, 3, step / 3).get(step % 3), order.at(step).records());
            assertEquals(0, order.at(step).again());
            assertEquals(step % 3 == 2, order.endsEpoch(step + 1));
        }
        TrainOrder cut = new TrainOrder(config(3).toBuilder().maxSteps(5).build(), RunInfo.Plan.whole(10));
        assertEquals(List.of(5L, 1L), List.of(cut.steps(), cut.wholeEpochs()));
    }

    @Test
    void aMaskLeavesEveryOtherInItsStep() {
        for (List<Integer> late : List.of(List.<Integer>of(), List.of(2, 5))) {
            TrainOrder whole = new TrainOrder(config(4), plan(9, late, List.of()));
            TrainOrder masked = new TrainOrder(config(4), plan(9, late, List.of(2, 7)));
            assertEquals(whole.steps(), masked.steps());
            for (long step = 0; step < whole.steps(); step++) {
                int[] left = IntStream.of(whole.at(step).records()).filter(place -> place != 2 && place != 7)
                        .map(place -> place - (place > 7 ? 2 : place > 2 ? 1 : 0)).toArray();
                assertArrayEquals(left, masked.at(step).records());
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"15, 200, 10, 0.1", "1, 200, 10, 0.1", "3, 200, 20, 0.1", "10, 40, 8, 0.2", "30, 200, 2, 0.1"})
    void lateRecordsAreSeenAsOftenAsOthersAndInTheEndAlone(int epochs, int records, int late, double most) {
        List<Integer> places = IntStream.range(0, late).mapToObj(i -> i * (records / late)).toList();
        TrainOrder order = new TrainOrder(config(epochs), plan(records, places, List.of()));
        int[] seen = new int[records];
        int[] last = new int[records];
        for (long step = 0; step < order.steps(); step++) {
            TrainOrder.Slots slots = order.at(step);
            IntStream.of(slots.records()).forEach(place -> seen[place]++);
            if (order.epoch(step) == epochs - 1) {
                IntStream.of(slots.records()).skip(slots.again()).forEach(place -> last[place]++);
            }
        }
        assertTrue(IntStream.of(seen).allMatch(times -> times == epochs), "each as often");
        assertTrue(IntStream.of(last).allMatch(times -> times == 1), "each captured once");
        BitSet wanted = new BitSet();
        places.forEach(wanted::set);
        long from = order.keeps().getLast();
        assertTrue(from <= order.first(wanted) && order.first(wanted) < from + 15, "kept close before the first");
        double share = (double) (order.steps() - from) / order.steps();
        assertTrue(share <= most + 2.0 / order.steps(), "replays " + share);
    }
}
