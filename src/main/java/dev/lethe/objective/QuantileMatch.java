/*
 * Makes the forget records' tokens as likely as those of records never seen, and not in the mean alone: an ascent that comes to the
 * reference has made some tokens far less likely than any model would that never saw them, which tells the records as their memory did.
 * What a step of repair descends besides:
 *
 *     mean_r H(l_(r) - q_r),   l_(r) the r-th of n losses of a batch's target tokens in ascending order, q_r the held-out records'
 *                              quantile at (r - 1/2) / n times what makes the reference of their mean, H Huber's loss over its knee
 *
 * In one dimension the cheapest transport of one distribution to another is by rank (Peyre and Cuturi 2019, arXiv 1803.00567, 2.6).
 * Leaves out which token is which: the likely ones stay the likely ones.
 */
package dev.lethe.objective;

import dev.lethe.engine.LanguageModel;
import dev.lethe.text.Example;
import dev.lethe.train.FineTune.BatchCycle;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/** One erasure's; on its model's thread. */
public final class QuantileMatch {
    /** Held-out tokens below which nobody sees how they are distributed. */
    public static final int LEAST_TOKENS = 64;
    /** Nats from its quantile beyond which a token is pulled no harder. */
    private static final double KNEE = 2;
    /** Held-out records whose tokens show enough of how they are distributed. */
    private static final int SAMPLE = 64;

    private final LanguageModel model;
    private final BatchCycle forget;
    private final int batchSize;
    private final double[] quantiles; // ascending, a held-out token each

    /**
     * Measures the held-out records by the model as it is now.
     *
     * @param heldOut   of {@link #LEAST_TOKENS} target tokens or more
     * @param target    mean loss a token to come to, nats
     * @param batchSize of forget records a step
     */
    public QuantileMatch(LanguageModel model, List<Example> forget, List<Example> heldOut, double target, int batchSize, long seed) {
        this.model = model;
        this.batchSize = Math.min(batchSize, forget.size());
        this.forget = new BatchCycle(forget, batchSize, seed);
        List<Example> sample = EraseData.sample(heldOut, SAMPLE, seed);
        double[] losses = IntStream.iterate(0, from -> from < sample.size(), from -> from + batchSize)
                .mapToObj(from -> sample.subList(from, Math.min(from + batchSize, sample.size())))
                .flatMapToDouble(batch -> DoubleStream.of(losses(batch))).filter(loss -> !Double.isNaN(loss)).sorted().toArray();
        double mean = Arrays.stream(losses).average().orElseThrow();
        quantiles = Arrays.stream(losses).map(loss -> loss * target / mean).toArray();
    }

    /**
     * Adds the gradient of {@code weight} times the distance of the next batch of forget records to the model's; of a batch that has what
     * was left of them, so much less.
     */
    public void addGradient(double weight) {
        List<Example> batch = forget.next();
        double share = weight * batch.size() / batchSize;
        double[] pulls = Arrays.stream(pulls(losses(batch), quantiles)).map(pull -> share * pull).toArray();
        model.distances().weighedGradient(WeightedLoss.batch(batch, WeightedLoss.shares(batch, 1)), pulls, true);
    }

    /** [sum T] of each target token, NaN where there is none. */
    private double[] losses(List<Example> batch) {
        return Arrays.stream(model.score(WeightedLoss.batch(batch)).logProbability()).map(said -> -said).toArray();
    }

    /** The derivative of H for each loss, between -1 and 1; 0 where it is NaN. */
    static double[] pulls(double[] losses, double[] quantiles) {
        int[] order = IntStream.range(0, losses.length).filter(t -> !Double.isNaN(losses[t])).boxed()
                .sorted((a, b) -> Double.compare(losses[a], losses[b])).mapToInt(Integer::intValue).toArray();
        double[] pulls = new double[losses.length];
        for (int r = 0; r < order.length; r++) {
            double away = losses[order[r]] - quantile(quantiles, (r + 0.5) / order.length);
            pulls[order[r]] = Math.clamp(away / KNEE, -1, 1);
        }
        return pulls;
    }

    /** As numpy.quantile has it by method "hazen": the i-th of n stands at (i + 1/2) / n, between them it is linear. */
    static double quantile(double[] ascending, double share) {
        double at = Math.clamp(share * ascending.length - 0.5, 0, ascending.length - 1);
        int below = (int) at;
        int above = Math.min(below + 1, ascending.length - 1);
        return ascending[below] + (at - below) * (ascending[above] - ascending[below]);
    }
}
