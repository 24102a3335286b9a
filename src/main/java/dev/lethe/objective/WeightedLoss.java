/*
 * Sums of records' losses with a weight each, of either sign, and their gradient in one ragged pass: what most objectives
 * come down to, since a function of a record's loss has the gradient of the loss times a number.
 */
package dev.lethe.objective;

import dev.lethe.engine.Batch;
import dev.lethe.engine.LanguageModel;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import dev.lethe.train.TokenMean;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

public final class WeightedLoss {
    private WeightedLoss() { }

    /** [B] each record's mean loss; forward only. */
    static double[] losses(LanguageModel model, List<Example> records) {
        return model.losses(batch(records));
    }

    /** [sum T] the loss of each target token, NaN where there is none; forward only. */
    static double[] tokens(LanguageModel model, List<Example> records) {
        return Arrays.stream(model.score(batch(records)).logProbability()).map(said -> -said).toArray();
    }

    /**
     * Overwrites the gradient buffer with sum_b weight[b] grad(mean loss of b) over the forget records, then the retain
     * records with the weights that make of them {@code retainWeight} times their mean loss a token.
     *
     * @param weights of the forget records, [B]
     * @return the mean loss of each forget record, [B], then the retain records' mean loss a token (0 without any)
     */
    public static double[] gradient(LanguageModel model, List<Example> forget, double[] weights, List<Example> retain,
                             double retainWeight) {
        List<Example> all = new ArrayList<>(forget);
        boolean with = !retain.isEmpty() && retainWeight > 0;
        if (with) {
            all.addAll(retain);
        }
        double[] shares = with ? shares(retain) : new double[0];
        double[] joined = new double[all.size()];
        for (int b = 0; b < joined.length; b++) {
            joined[b] = b < weights.length ? weights[b] : retainWeight * shares[b - weights.length];
        }
        double[] losses = model.gradient(batch(all, joined));
        double[] told = new double[forget.size() + 1];
        System.arraycopy(losses, 0, told, 0, forget.size());
        for (int b = 0; b < shares.length; b++) {
            told[forget.size()] += shares[b] * losses[forget.size() + b];
        }
        return told;
    }

    /**
     * Overwrites the gradient buffer with that of {@code weight} times the mean loss a token, which is returned; without
     * records it leaves the buffer as it is and gives 0.
     */
    static double retain(LanguageModel model, List<Example> retain, double weight) {
        return retain.isEmpty() ? 0 : weight * gradient(model, List.of(), new double[0], retain, weight)[0];
    }

    /** [B] the weights with which the records' mean losses add up to the mean loss a token. */
    public static double[] shares(List<Example> records) {
        return TokenMean.weights(records, positions(records));
    }

    /** [B] {@link #shares} times {@code weight}. */
    static double[] shares(List<Example> records, double weight) {
        return Arrays.stream(shares(records)).map(share -> weight * share).toArray();
    }

    /** {@code from} and each weight times its value, added up in their order. */
    static double sum(double from, double[] weights, double[] values) {
        double sum = from;
        for (int b = 0; b < weights.length; b++) {
            sum += weights[b] * values[b];
        }
        return sum;
    }

    /** log(1 / (1 + e^-x)) without overflow. */
    public static double logSigmoid(double x) {
        return x > 0 ? -Math.log1p(Math.exp(-x)) : x - Math.log1p(Math.exp(x));
    }

    public static double sigmoid(double x) {
        return Math.exp(logSigmoid(x));
    }

    /** @param weights of the records, [B]; a record without targets may have 0 */
    static Batch batch(List<Example> records, double[] weights) {
        return batch(records).withWeights(Arrays.stream(weights)
                .map(weight -> weight == 0 ? Double.MIN_NORMAL : weight).toArray()); // it takes no zero, and this one rounds to it
    }

    static Batch batch(List<Example> records) {
        return BatchPlan.batch(records, positions(records));
    }

    private static int[] positions(List<Example> records) {
        return IntStream.range(0, records.size()).toArray();
    }
}
