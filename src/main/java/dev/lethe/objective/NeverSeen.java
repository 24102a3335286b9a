/*
 * How well a model would know the forget records had it never seen them, from records held out. Those are strangers, while of what is
 * erased much is known from what is kept: the manner of its kind, the names of its subject's other records. So held-out tokens weigh as
 * many as the forget records have of their difficulty, which is the loss of a Bigram of the retain records:
 *
 *     reference = sum_s f_s mean_(t in s) l_t,   s strata of held-out tokens by difficulty, f_s the share of the forget
 *                                                records' tokens in s, l_t the model's loss of a held-out token
 *
 * Post-stratification (Holt and Smith 1979, J. R. Statist. Soc. A 142) by a difficulty as attacks of membership are calibrated by (Watson
 * et al. 2022, arXiv 2111.08440). Leaves out how the reference is come to.
 */
package dev.lethe.objective;

import dev.lethe.engine.LanguageModel;
import dev.lethe.text.Bigram;
import dev.lethe.text.Example;
import dev.lethe.train.SharedModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/** The losses of held-out tokens, and how much each stands for. Immutable; any thread. */
public final class NeverSeen {
    /** Held-out records whose tokens show enough. */
    private static final int SAMPLE = 256;
    /** Learned records of which a bigram model is made, at most: some seconds and some hundred MB. */
    private static final int LEARNED = 200_000;
    private static final int MOST_STRATA = 16;
    /** Held-out tokens of a stratum, at least. */
    private static final int STRATUM = 64;

    private final int tokens;
    private final double unweighed;
    private final boolean weighed;
    private final double[] losses; // nats, ascending, of those with a weight
    private final double[] weights; // above 0; their sum is 1

    private NeverSeen(int tokens, double unweighed, boolean weighed, double[] losses, double[] weights) {
        this.tokens = tokens;
        this.unweighed = unweighed;
        this.weighed = weighed;
        this.losses = losses;
        this.weights = weights;
    }

    private static NeverSeen of(double[] losses, double[] weights, boolean weighed) {
        int[] order = IntStream.range(0, losses.length).filter(t -> weights[t] > 0).boxed()
                .sorted(Comparator.comparingDouble(t -> losses[t])).mapToInt(Integer::intValue).toArray();
        return new NeverSeen(losses.length, Arrays.stream(losses).average().orElse(Double.NaN), weighed,
                Arrays.stream(order).mapToDouble(t -> losses[t]).toArray(), Arrays.stream(order).mapToDouble(t -> weights[t]).toArray());
    }

    /** Tokens that weigh alike. @param losses nats; one or more */
    static NeverSeen alike(double... losses) {
        return of(losses, Arrays.stream(losses).map(_ -> 1.0 / losses.length).toArray(), false);
    }

    /** @param weights of the tokens; not below 0, their sum 1 */
    static NeverSeen weighed(double[] losses, double[] weights) {
        return of(losses, weights, true);
    }

    /**
     * Measures held-out records, at most 256 of them, by the model as it is; on its thread.
     *
     * @param forget  what is to be as if never seen
     * @param heldOut one or more
     * @param learned what a model without the forget records would know; empty: held-out tokens weigh alike, as do less than 128
     * @param seed    of what is looked at where there is more
     */
    public static NeverSeen of(LanguageModel model, List<Example> forget, List<Example> heldOut, List<Example> learned, long seed) {
        List<Example> sample = EraseData.sample(heldOut, SAMPLE, seed);
        double[] losses = losses(model, sample);
        if (learned.isEmpty() || losses.length < 2 * STRATUM) {
            return alike(losses);
        }
        List<Example> asked = new ArrayList<>(forget);
        asked.addAll(sample);
        Bigram words = new Bigram(EraseData.sample(learned, LEARNED, seed), asked, Math.toIntExact(model.shape().vocabulary()));
        return weighed(losses, weights(difficulty(words, sample), difficulty(words, forget)));
    }

    private static double[] losses(LanguageModel model, List<Example> records) {
        DoubleStream.Builder losses = DoubleStream.builder();
        for (int from = 0; from < records.size(); ) {
            int to = SharedModel.passEnd(records, from, records.size());
            said(WeightedLoss.tokens(model, records.subList(from, to))).forEach(losses);
            from = to;
        }
        return losses.build().toArray();
    }

    static double[] difficulty(Bigram words, List<Example> records) {
        return records.stream().flatMapToDouble(record -> said(words.losses(record))).toArray();
    }

    private static DoubleStream said(double[] losses) {
        return DoubleStream.of(losses).filter(loss -> !Double.isNaN(loss));
    }

    /** What each held-out token stands for, by its difficulty and those of the forget records' tokens. */
    static double[] weights(double[] heldOut, double[] forget) {
        double[] bounds = bounds(Arrays.stream(heldOut).sorted().toArray());
        int[] strata = Arrays.stream(heldOut).mapToInt(loss -> stratum(bounds, loss)).toArray();
        double[] held = new double[bounds.length + 1];
        double[] wanted = new double[bounds.length + 1];
        Arrays.stream(strata).forEach(s -> held[s]++);
        Arrays.stream(forget).forEach(loss -> wanted[stratum(bounds, loss)]++);
        return Arrays.stream(strata).mapToDouble(s -> wanted[s] / (held[s] * forget.length)).toArray();
    }

    /** The least difficulty of each stratum but the first: at quantiles, but for those that would leave too few on a side. */
    private static double[] bounds(double[] ascending) {
        int strata = Math.clamp(ascending.length / STRATUM, 1, MOST_STRATA);
        DoubleStream.Builder bounds = DoubleStream.builder();
        for (int s = 1, from = 0; s < strata; s++) {
            int at = (int) ((long) s * ascending.length / strata);
            while (at > 0 && ascending[at - 1] == ascending[at]) {
                at--;
            }
            if (at - from >= STRATUM && ascending.length - at >= STRATUM) {
                bounds.add(ascending[at]);
                from = at;
            }
        }
        return bounds.build().toArray();
    }

    private static int stratum(double[] bounds, double difficulty) {
        int at = Arrays.binarySearch(bounds, difficulty);
        return at >= 0 ? at + 1 : -at - 1;
    }

    /** The reference, nats a token. */
    public double mean() {
        return IntStream.range(0, losses.length).mapToDouble(t -> weights[t] * losses[t]).sum();
    }

    /** The mean loss of the tokens as they are, nats. */
    public double unweighed() {
        return unweighed;
    }

    /** Whether there were enough tokens to weigh. */
    public boolean weighed() {
        return weighed;
    }

    /** Held-out tokens that were measured, those included that stand for nothing. */
    public int tokens() {
        return tokens;
    }

    /** The same in shape, with another mean. */
    public NeverSeen scaledTo(double mean) {
        double scale = mean / mean();
        return new NeverSeen(tokens, scale * unweighed, weighed, Arrays.stream(losses).map(loss -> loss * scale).toArray(), weights);
    }

    /**
     * [ascending shares] the losses that they are under: a token stands in the middle of its weight, between tokens it is linear. Of equal
     * weights as numpy.quantile has it by method "hazen".
     */
    double[] quantiles(double[] shares) {
        double[] found = new double[shares.length];
        double middle = weights[0] / 2;
        for (int q = 0, t = 0; q < shares.length; q++) {
            double next = middle + step(t);
            while (t < losses.length - 2 && next <= shares[q]) {
                middle = next;
                next = middle + step(++t);
            }
            int above = Math.min(t + 1, losses.length - 1);
            double way = above == t ? 0 : Math.clamp((shares[q] - middle) / (next - middle), 0, 1);
            found[q] = losses[t] + way * (losses[above] - losses[t]);
        }
        return found;
    }

    /** From the middle of a token's weight to that of the next one's. */
    private double step(int t) {
        return t + 1 < weights.length ? (weights[t] + weights[t + 1]) / 2 : weights[t];
    }
}
