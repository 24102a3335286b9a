package dev.lethe.ledger;

import java.util.Objects;

/**
 * What the ledger keeps in the clear about one captured gradient.
 *
 * @param key          the record
 * @param epoch        0-based epoch in which it was captured
 * @param step         training step whose weights the gradient was taken at; never falls from one entry to the next
 * @param learningRate of that step
 * @param weight       the record's weight in its batch (the gradient itself is of the record's own mean loss)
 * @param tokens       T, at least 1
 * @param targets      positions that carry a loss, 0..T
 */
public record EntryHeader(
        RecordKey key, int epoch, long step, double learningRate, double weight, int tokens, int targets) {
    public EntryHeader {
        Objects.requireNonNull(key, "key");
        if (epoch < 0) throw new IllegalArgumentException("epoch is " + epoch + ", must be 0 or more");
        if (step < 0) throw new IllegalArgumentException("step is " + step + ", must be 0 or more");
        if (!Double.isFinite(learningRate))
            throw new IllegalArgumentException("learning rate is " + learningRate + ", must be finite");
        if (!Double.isFinite(weight)) throw new IllegalArgumentException("weight is " + weight + ", must be finite");
        if (tokens < 1) throw new IllegalArgumentException("tokens is " + tokens + ", must be 1 or more");
        if (targets < 0 || targets > tokens)
            throw new IllegalArgumentException("targets is " + targets + ", must be 0.." + tokens);
    }

    EntryHeader withoutKey() {
        return new EntryHeader(RecordKey.NONE, epoch, step, learningRate, weight, tokens, targets);
    }
}
