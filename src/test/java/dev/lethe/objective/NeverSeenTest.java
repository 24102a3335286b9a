package dev.lethe.objective;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.ParameterVector.Distribution;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.strategy.SetLoss;
import dev.lethe.text.Bigram;
import dev.lethe.text.Example;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(NoLeaks.class)
class NeverSeenTest {
    /** 128 held-out tokens are two strata; of the forget records' tokens three quarters are as hard as the easier half. */
    @Test
    void aStratumWeighsWhatTheForgetRecordsHaveOfIt() {
        double[] heldOut = IntStream.range(0, 128).mapToDouble(t -> t).toArray();
        double[] weights = NeverSeen.weights(heldOut, new double[] {-5, 3, 63.5, 64});
        assertEquals(0.75 / 64, weights[0], 1e-15);
        assertEquals(0.75 / 64, weights[63], 1e-15);
        assertEquals(0.25 / 64, weights[64], 1e-15);
        assertEquals(1, Arrays.stream(weights).sum(), 1e-12);
    }

    @Test
    void tokensOfOneDifficultyAreOneStratumAndNoneIsSmall() {
        double[] heldOut = IntStream.range(0, 256).mapToDouble(t -> t < 100 ? 1 : 2).toArray();
        double[] weights = NeverSeen.weights(heldOut, new double[] {0, 1, 1, 9});
        assertEquals(0.75 / 100, weights[0], 1e-15);
        assertEquals(0.25 / 156, weights[255], 1e-15);
        heldOut[0] = 0; // one easier than all others, and the last three harder
        heldOut[253] = heldOut[254] = heldOut[255] = 3;
        assertArrayEquals(new double[] {0.5 / 100, 0.5 / 156}, IntStream.of(0, 255).mapToDouble(t ->
                NeverSeen.weights(heldOut, new double[] {0, 3})[t]).toArray(), 1e-15, "a stratum has 64 or more");
        assertArrayEquals(new double[] {0.5, 0.5}, NeverSeen.weights(new double[] {3, 8}, new double[] {1, 100}));
    }

    @Test
    void whatNoForgetTokenIsLikeCountsForNothing() {
        NeverSeen one = NeverSeen.weighed(new double[] {9, 2, 4}, new double[] {0, 0.25, 0.75});
        assertEquals(3, one.tokens());
        assertEquals(5, one.unweighed(), 1e-15);
        assertEquals(3.5, one.mean(), 1e-15);
        assertEquals(7, one.scaledTo(7).mean(), 1e-12);
        assertArrayEquals(new double[] {2, 2, 3, 4, 4}, one.quantiles(new double[] {0, 0.125, 0.375, 0.625, 1}), 1e-15);
    }

    /** Records of the learned ones' own words are held to the held-out tokens that those words make easy. */
    @Test
    void whatIsSaidWithLearnedWordsHasAnotherReferenceThanStrangers() {
        try (Engine engine = Engine.cpu();
             LanguageModel model = engine.model(new ModelShape(40, 32, 8, 1, 2, 16, 1e-5, true), Dtype.F64)) {
            model.buffer(Buffer.PARAMETERS).random(Distribution.NORMAL, 1);
            Random random = new Random(0);
            List<Example> learned = random(random, 20, 8, 8);
            List<Example> heldOut = random(random, 10, 8, 40); // half of their words are no learned one's
            List<Example> forget = random(random, 4, 8, 8);
            NeverSeen plain = NeverSeen.of(model, forget, heldOut, List.of(), 0);
            assertEquals(SetLoss.mean(model, heldOut), plain.mean(), 1e-12);
            Bigram words = new Bigram(learned, Stream.concat(forget.stream(), heldOut.stream()).toList(), 40);
            double[] weights = NeverSeen.weights(NeverSeen.difficulty(words, heldOut), NeverSeen.difficulty(words, forget));
            int[] said = heldOut.stream().flatMapToInt(record -> IntStream.of(record.targets())).toArray();
            double known = IntStream.range(0, said.length).filter(t -> said[t] < 8).mapToDouble(t -> weights[t]).sum();
            assertTrue(known > 0.8, known + " of the weight is on learned words, which " + heldOut.size() + " records have some 60 % of");
            assertTrue(NeverSeen.of(model, forget, heldOut, learned, 0).mean() != plain.mean());
            assertEquals(plain.mean(), NeverSeen.of(model, heldOut, heldOut, learned, 0).mean(), 1e-9);
        }
    }

    private static List<Example> random(Random random, int records, int from, int to) {
        return IntStream.range(0, records).mapToObj(r -> {
            int[] ids = random.ints(24, 0, random.nextBoolean() ? from : to).toArray();
            return new Example("r" + r, r, Arrays.copyOf(ids, 23), Arrays.copyOfRange(ids, 1, 24), false);
        }).toList();
    }
}
