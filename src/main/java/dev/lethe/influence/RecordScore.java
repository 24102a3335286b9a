package dev.lethe.influence;

import dev.lethe.ledger.RecordKey;

/**
 * What a record's captured epochs sum to.
 *
 * @param epochs captured epochs that were summed
 * @param bySite [S] in the model's order
 */
public record RecordScore(RecordKey key, int epochs, double total, double[] bySite) {}
