package dev.lethe.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Batch;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class BigramTest {
    /** Of "0 1 2 0 1 3", then "4 0 1" whose first word is a prompt: a target a token but there. */
    private static final List<Example> LEARNED = List.of(
            new Example("a", 0, new int[] {0, 1, 2, 0, 1}, new int[] {1, 2, 0, 1, 3}, false),
            new Example("b", 1, new int[] {4, 0}, new int[] {Batch.IGNORE, 1}, false));

    private static final List<Example> EVERY_PAIR = IntStream.range(0, 8).mapToObj(word -> new Example("asked", word,
            IntStream.generate(() -> word).limit(8).toArray(), IntStream.range(0, 8).toArray(), false)).toList();

    private static Bigram bigram() {
        return new Bigram(LEARNED, EVERY_PAIR, 8);
    }

    /** n = 7 words behind others (1 three times, 0 twice, 2, 3), W = 4, V = 8. */
    @Test
    void aWordIsAsLikelyAsTheFormulaSays() {
        double one = (3 - 0.75 + 0.75 * 4 / 8) / 7;
        double five = 0.75 * 4 / 8 / 7;
        assertEquals((3 - 0.75 + 0.75 * 1 * one) / 3, bigram().probability(0, 1), 1e-15); // 0 is followed by 1 three times
        assertEquals(0.75 * 1 * five / 3, bigram().probability(0, 5), 1e-15);
        assertEquals((1 - 0.75 + 0.75 * 2 * (1 - 0.75 + 0.375) / 7) / 2, bigram().probability(1, 3), 1e-15); // 1 by 2 and by 3
        assertEquals(one, bigram().probability(6, 1), 1e-15); // nothing follows 6
        assertEquals(1 - 0.75 + 0.75 * ((2 - 0.75 + 0.375) / 7), bigram().probability(4, 0), 1e-15); // prompts count
    }

    @Test
    void theWordsBehindEachAddUpToOne() {
        for (int word = 0; word < 8; word++) {
            int before = word;
            assertEquals(1, IntStream.range(0, 8).mapToDouble(next -> bigram().probability(before, next)).sum(), 1e-12, "behind " + word);
        }
        Bigram nothing = new Bigram(List.of(), EVERY_PAIR, 8);
        assertEquals(1 / 8.0, nothing.probability(0, 1));
    }

    @Test
    void onlyWhatIsAskedForIsKeptAndNothingElseChanges() {
        Example asked = new Example("asked", 0, new int[] {0, 1, 6}, new int[] {Batch.IGNORE, 3, 1}, false);
        double[] losses = new Bigram(LEARNED, List.of(asked), 8).losses(asked);
        assertTrue(Double.isNaN(losses[0]));
        assertArrayEquals(new double[] {-Math.log(bigram().probability(1, 3)), -Math.log(bigram().probability(6, 1))},
                new double[] {losses[1], losses[2]}, 1e-15);
    }
}
