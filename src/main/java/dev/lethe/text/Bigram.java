/*
 * How hard a text is to one who knows the rest: a bigram model of the learned records' token ids, by absolute discounting (Ney, Essen and
 * Kneser 1994, Computer Speech & Language 8):
 *
 *     p(w | v) = max(c(v w) - d, 0) / c(v) + d N(v) / c(v) p(w),    p(w) = max(c(w) - d, 0) / n + d W / (n V),    d = 3/4
 *
 * c counts, N(v) the kinds of words behind v, W the kinds of words, n all of them, V the vocabulary; p(w) alone behind a word that is not
 * there. Records that no model learned differ in its losses as they do in a language model's (docs/study.md). Leaves out what takes more
 * than two words.
 */
package dev.lethe.text;

import dev.lethe.engine.Batch;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Immutable; any thread. */
public final class Bigram {
    private static final double DISCOUNT = 0.75;

    private final Map<Long, Integer> pairs = new HashMap<>(); // of words whose next is asked for
    private final int[] kinds; // [V] of words behind each
    private final int[] behind; // [V] words behind each
    private final int[] words; // [V]
    private final int allKinds;
    private final double all;

    /**
     * Counts all of {@code learned} in one pass.
     *
     * @param asked      the records whose losses will be asked for: of other words is kept how often they are alone
     * @param vocabulary ids there are; ids below it
     */
    public Bigram(List<Example> learned, List<Example> asked, int vocabulary) {
        kinds = new int[vocabulary];
        behind = new int[vocabulary];
        words = new int[vocabulary];
        BitSet before = new BitSet(vocabulary);
        for (Example record : asked) {
            IntStream.range(0, record.tokens().length).filter(t -> record.targets()[t] != Batch.IGNORE)
                    .forEach(t -> before.set(record.tokens()[t]));
        }
        for (Example record : learned) {
            for (int t = 0; t < record.tokens().length; t++) {
                int next = next(record, t);
                if (next != Batch.IGNORE) {
                    count(record.tokens()[t], next, before);
                }
            }
        }
        all = Arrays.stream(words).asLongStream().sum();
        allKinds = (int) Arrays.stream(words).filter(count -> count > 0).count();
    }

    private void count(int word, int next, BitSet before) {
        words[next]++;
        if (before.get(word)) {
            behind[word]++;
            kinds[word] += pairs.merge(pair(word, next), 1, Integer::sum) == 1 ? 1 : 0;
        }
    }

    private static int next(Example record, int t) {
        return t + 1 < record.tokens().length ? record.tokens()[t + 1] : record.targets()[t];
    }

    private static long pair(int word, int next) {
        return (long) word << Integer.SIZE | next;
    }

    /** [T] -log p in nats of each target, NaN where there is none. @param record one of the asked */
    public double[] losses(Example record) {
        double[] losses = new double[record.tokens().length];
        for (int t = 0; t < losses.length; t++) {
            int target = record.targets()[t];
            losses[t] = target == Batch.IGNORE ? Double.NaN : -Math.log(probability(record.tokens()[t], target));
        }
        return losses;
    }

    /** Behind a word that was asked for. */
    double probability(int word, int next) {
        double alone = all == 0 ? 1.0 / words.length
                : (Math.max(words[next] - DISCOUNT, 0) + DISCOUNT * allKinds / words.length) / all;
        if (behind[word] == 0) {
            return alone;
        }
        double seen = Math.max(pairs.getOrDefault(pair(word, next), 0) - DISCOUNT, 0);
        return (seen + DISCOUNT * kinds[word] * alone) / behind[word];
    }
}
