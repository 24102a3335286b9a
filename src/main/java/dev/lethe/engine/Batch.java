package dev.lethe.engine;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * A ragged batch: the tokens of B records one after the other, no padding. Immutable and free of native memory; any
 * thread may use it. A record's loss is the mean of -log p over its targets; a record without targets has loss 0 and no
 * gradient. Token ids and lengths are checked against the model by the call that uses the batch.
 */
public final class Batch {
    /** A position whose target is this carries no loss. */
    public static final int IGNORE = -100;

    final long[] offsets;   // [B+1]
    final int[] tokens;     // [sum T]
    final int[] targets;    // [sum T], null for prompts
    final double[] weights; // [B], null = 1/B

    private Batch(long[] offsets, int[] tokens, int[] targets, double[] weights) {
        this.offsets = offsets;
        this.tokens = tokens;
        this.targets = targets;
        this.weights = weights;
    }

    /**
     * Joins records; {@code targets.get(b)[t]} is the token to be predicted at position t (already shifted), or
     * {@link #IGNORE}.
     *
     * @throws IllegalArgumentException when there is no record, a record is empty or its two arrays differ in length
     */
    public static Batch of(List<int[]> tokens, List<int[]> targets) {
        if (tokens.size() != targets.size()) {
            throw new IllegalArgumentException("batch: " + tokens.size() + " token arrays but " + targets.size()
                    + " target arrays");
        }
        for (int b = 0; b < tokens.size(); b++) {
            if (tokens.get(b).length != targets.get(b).length) {
                throw new IllegalArgumentException("batch: record " + b + " has " + tokens.get(b).length
                        + " tokens but " + targets.get(b).length + " targets");
            }
        }
        Batch joined = prompts(tokens);
        return new Batch(joined.offsets, joined.tokens, concatenate(targets, joined.tokens.length), null);
    }

    /** A batch without targets, for logits and generation; the same errors as {@link #of}. */
    public static Batch prompts(List<int[]> tokens) {
        if (tokens.isEmpty()) {
            throw new IllegalArgumentException("batch: no record");
        }
        long[] offsets = new long[tokens.size() + 1];
        for (int b = 0; b < tokens.size(); b++) {
            int length = tokens.get(b).length;
            if (length == 0) {
                throw new IllegalArgumentException("batch: record " + b + " has no token");
            }
            offsets[b + 1] = offsets[b] + length;
        }
        int total = Math.toIntExact(offsets[tokens.size()]);
        return new Batch(offsets, concatenate(tokens, total), null, null);
    }

    /**
     * The same records with a weight each: the batch gradient is the sum of weight times gradient of the record's mean
     * loss. Without weights each record counts 1/B. A negative weight makes of descent ascent.
     *
     * @throws IllegalArgumentException unless there is one finite weight a record, none of them 0
     */
    public Batch withWeights(double[] weights) {
        Objects.requireNonNull(weights, "weights");
        if (weights.length != records()) {
            throw new IllegalArgumentException("batch: " + weights.length + " weights for " + records() + " records");
        }
        for (int b = 0; b < weights.length; b++) {
            if (weights[b] == 0 || !Double.isFinite(weights[b])) {
                throw new IllegalArgumentException("batch: weight of record " + b + " is " + weights[b]
                        + "; it must be finite and not 0");
            }
        }
        return new Batch(offsets, tokens, targets, weights.clone());
    }

    /**
     * Targets of a token sequence: position t is to predict token t+1, if that is at or after {@code firstTarget}; the
     * others, and always the last, are {@link #IGNORE}. Same length as {@code tokens}.
     */
    public static int[] shift(int[] tokens, int firstTarget) {
        int[] targets = new int[tokens.length];
        for (int t = 0; t < tokens.length; t++) {
            targets[t] = t + 1 < tokens.length && t + 1 >= firstTarget ? tokens[t + 1] : IGNORE;
        }
        return targets;
    }

    /** B. */
    public int records() {
        return offsets.length - 1;
    }

    /** Sum of the records' lengths. */
    public int tokenCount() {
        return tokens.length;
    }

    /** Positions of one record that carry a loss. */
    public int targetCount(int record) {
        int count = 0;
        for (int t = (int) offsets[record]; targets != null && t < offsets[record + 1]; t++) {
            count += targets[t] == IGNORE ? 0 : 1;
        }
        return count;
    }

    /** Refuses a batch of prompts, naming the operation that needs targets. */
    void requireTargets(String operation) {
        if (targets == null) {
            throw new IllegalArgumentException(operation + ": the batch has no targets");
        }
    }

    /** [B+1], a copy: record b is positions offsets[b] to offsets[b+1]. */
    public long[] offsets() {
        return offsets.clone();
    }

    /** [sum T], a copy. */
    public int[] tokens() {
        return tokens.clone();
    }

    /** [sum T], a copy; null when the batch holds prompts. */
    public int[] targets() {
        return targets == null ? null : targets.clone();
    }

    /** [B], a copy; null when every record counts 1/B. */
    public double[] weights() {
        return weights == null ? null : weights.clone();
    }

    @Override
    public String toString() {
        return "Batch[records=" + records() + ", tokens=" + tokenCount() + ", weights=" + Arrays.toString(weights)
                + "]";
    }

    private static int[] concatenate(List<int[]> parts, int total) {
        int[] joined = new int[total];
        int at = 0;
        for (int[] part : parts) {
            System.arraycopy(part, 0, joined, at, part.length);
            at += part.length;
        }
        return joined;
    }
}
