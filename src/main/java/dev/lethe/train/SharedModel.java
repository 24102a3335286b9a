/*
 * A model of which every rank holds a copy, and what ranks compute of it together: each its share of the records, after which all
 * have the same numbers, bit for bit. What is not said here every rank computes alike, as one process does.
 */
package dev.lethe.train;

import dev.lethe.base.EngineException;
import dev.lethe.engine.Batch;
import dev.lethe.engine.LanguageModel;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** On the thread of both. @param model this rank's copy */
public record SharedModel(LanguageModel model, Ranks ranks) {
    /** Enough tokens of a forward pass to keep two to sixteen cores busy; more only costs memory. */
    private static final int PASS_TOKENS = 4096;

    /** One that nobody shares. */
    public static SharedModel alone(LanguageModel model) {
        return new SharedModel(model, Ranks.NONE);
    }

    /** Overwrites the gradient buffer with that of the batch's mean loss a token, which is returned. */
    public double gradient(List<Example> examples, int[] indices) {
        double[] weights = TokenMean.weights(examples, indices);
        return TokenMean.loss(weights, ranks.gradient(model, examples, indices, own -> model.gradient(
                BatchPlan.batch(examples, Arrays.copyOfRange(indices, own[0], own[1]))
                        .withWeights(Arrays.copyOfRange(weights, own[0], own[1])))));
    }

    /** Overwrites the gradient buffer with the sum of the gradients of the examples' mean losses, in passes of at most so many. */
    public void summedGradient(List<Example> examples, int most) {
        ranks.gradient(model, examples, IntStream.range(0, examples.size()).toArray(), own -> {
            double[] losses = new double[own[1] - own[0]];
            for (int from = own[0]; from < own[1]; from += most) {
                double[] part = model.gradient(summed(examples, from, Math.min(from + most, own[1])), from > own[0], null);
                System.arraycopy(part, 0, losses, from - own[0], part.length);
            }
            return losses;
        });
    }

    /** Examples {@code from} to before {@code to}, each of weight 1: the batch's gradient is the sum of theirs. */
    public static Batch summed(List<Example> examples, int from, int to) {
        int[] indices = IntStream.range(from, to).toArray();
        return BatchPlan.batch(examples, indices).withWeights(IntStream.of(indices).mapToDouble(i -> 1).toArray());
    }

    /**
     * [examples] mean loss of each one's targets, nats; forward passes of some thousand tokens, so that memory does not grow with the
     * list.
     *
     * @throws EngineException where one is not finite; on every rank
     */
    public double[] losses(List<Example> examples) {
        EngineException[] failed = new EngineException[1];
        double[] losses = ranks.joined(() -> {
            int[] own = ranks.share(examples, IntStream.range(0, examples.size()).toArray());
            double[] mine = new double[own[1] - own[0]];
            try {
                for (int from = own[0]; from < own[1]; ) {
                    int to = passEnd(examples, from, own[1]);
                    double[] part = model.losses(BatchPlan.batch(examples, IntStream.range(from, to).toArray()));
                    System.arraycopy(part, 0, mine, from - own[0], part.length);
                    from = to;
                }
            } catch (EngineException e) {
                if (ranks.alone() || e.status() != EngineException.Status.NOT_FINITE) {
                    throw e;
                }
                failed[0] = e; // some callers go on from there, and so must all ranks
                Arrays.fill(mine, Double.NaN);
            }
            return mine;
        });
        if (!ranks.alone() && Arrays.stream(losses).anyMatch(Double::isNaN)) {
            throw failed[0] != null ? failed[0] : new EngineException(EngineException.Status.NOT_FINITE, "a loss of another rank's"
                    + " records is not finite");
        }
        return losses;
    }

    /** Where a forward pass that begins with example {@code from} ends: after some thousand tokens, after one example at least. */
    public static int passEnd(List<Example> examples, int from, int end) {
        int tokens = 0;
        int to = from;
        while (to < end && (to == from || tokens + examples.get(to).tokens().length <= PASS_TOKENS)) {
            tokens += examples.get(to++).tokens().length;
        }
        return to;
    }
}
