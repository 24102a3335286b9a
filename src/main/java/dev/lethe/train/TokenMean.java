/*
 * The loss of a batch: the mean over all its target tokens, as transformers' Trainer has it. A record's own loss is the
 * mean over its targets, so its weight in the batch is its share of them.
 */
package dev.lethe.train;

import dev.lethe.text.Example;
import java.util.List;

/** The mean loss a token. Stateless, any thread. */
public final class TokenMean {
    private TokenMean() { }

    /** [B] each record's share of the batch's targets; they add up to 1. */
    public static double[] weights(List<Example> examples, int[] indices) {
        double[] weights = new double[indices.length];
        long targets = 0;
        for (int b = 0; b < indices.length; b++) {
            int own = examples.get(indices[b]).targetCount();
            weights[b] = own;
            targets += own;
        }
        for (int b = 0; b < weights.length; b++) {
            weights[b] /= targets;
        }
        return weights;
    }

    /** @param losses [B] of the records, each the mean over its own targets */
    static double loss(double[] weights, double[] losses) {
        double sum = 0;
        for (int b = 0; b < losses.length; b++) {
            sum += weights[b] * losses[b];
        }
        return sum;
    }

    static int targets(List<Example> examples, int[] indices) {
        int targets = 0;
        for (int index : indices) {
            targets += examples.get(index).targetCount();
        }
        return targets;
    }

    static int tokens(List<Example> examples, int[] indices) {
        int tokens = 0;
        for (int index : indices) {
            tokens += examples.get(index).tokens().length;
        }
        return tokens;
    }
}
