/*
 * Makes the forget records' tokens as likely as those of records never seen, and not in the mean alone: an ascent that comes to the
 * reference has made some tokens far less likely than any model would that never saw them, which tells the records as their memory did.
 * What a step of repair descends besides:
 *
 *     mean_r H(l_(r) - q_r),   l_(r) the r-th of n losses of a batch's target tokens in ascending order, q_r the quantile at (r - 1/2) / n
 *                              of tokens never seen (NeverSeen), H Huber's loss over its knee
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
import java.util.stream.IntStream;

/** One erasure's; on its model's thread. */
public final class QuantileMatch {
    /** Held-out tokens below which nobody sees how they are distributed. */
    public static final int LEAST_TOKENS = 64;
    /** Nats from its quantile beyond which a token is pulled no harder. */
    private static final double KNEE = 2;

    private final LanguageModel model;
    private final BatchCycle forget;
    private final int batchSize;
    private final NeverSeen like;

    /**
     * @param like      what the tokens' losses are to be distributed as
     * @param batchSize of forget records a step
     */
    public QuantileMatch(LanguageModel model, List<Example> forget, NeverSeen like, int batchSize, long seed) {
        this.model = model;
        this.like = like;
        this.batchSize = Math.min(batchSize, forget.size());
        this.forget = new BatchCycle(forget, batchSize, seed);
    }

    /**
     * Adds the gradient of {@code weight} times the distance of the next batch of forget records to the model's; of a batch that has what
     * was left of them, so much less.
     */
    public void addGradient(double weight) {
        List<Example> batch = forget.next();
        double share = weight * batch.size() / batchSize;
        double[] pulls = Arrays.stream(pulls(WeightedLoss.tokens(model, batch), like)).map(pull -> share * pull).toArray();
        model.distances().weighedGradient(WeightedLoss.batch(batch, WeightedLoss.shares(batch, 1)), pulls, true);
    }

    /** The derivative of H for each loss, between -1 and 1; 0 where it is NaN. */
    static double[] pulls(double[] losses, NeverSeen like) {
        int[] order = IntStream.range(0, losses.length).filter(t -> !Double.isNaN(losses[t])).boxed()
                .sorted((a, b) -> Double.compare(losses[a], losses[b])).mapToInt(Integer::intValue).toArray();
        double[] wanted = like.quantiles(IntStream.range(0, order.length).mapToDouble(r -> (r + 0.5) / order.length).toArray());
        double[] pulls = new double[losses.length];
        for (int r = 0; r < order.length; r++) {
            pulls[order[r]] = Math.clamp((losses[order[r]] - wanted[r]) / KNEE, -1, 1);
        }
        return pulls;
    }
}
