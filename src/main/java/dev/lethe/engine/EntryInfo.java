package dev.lethe.engine;

import dev.lethe.shape.Dtype;

/**
 * What an entry says of itself.
 *
 * @param tokens       T, tokens of the record
 * @param targets      positions with a loss
 * @param headTopK     as in {@link EntryFormat}
 * @param droppedShare share of the softmax error's squared L2 norm that top-k dropped; 0 when exact
 * @param dtype        element type of the stored factors
 * @param rank         as in {@link EntryFormat}
 * @param truncatedShare share of the linear sites' squared gradient norm that the rank dropped; 0 when exact
 */
public record EntryInfo(long tokens, long targets, long headTopK, double droppedShare, Dtype dtype, int rank,
        double truncatedShare) {
}
