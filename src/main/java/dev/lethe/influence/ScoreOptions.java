package dev.lethe.influence;

import dev.lethe.shape.SiteSet;

/**
 * How a ledger is scored.
 *
 * @param sites      sites that count, all of them held by the ledger; null = all held
 * @param blockBytes payload bytes of a block: two blocks at most are in use at a time, one being scored, one being read
 * @param queryBytes memory that queries and their scores may take together; more queries than fit take more passes over
 *                   the ledger, and one query is always let in
 * @param form       how queries meet the ledger; null = the cheaper one for each
 */
public record ScoreOptions(SiteSet sites, long blockBytes, long queryBytes, QueryForm form) {
    public ScoreOptions {
        if (blockBytes < 1)
            throw new IllegalArgumentException("block size is " + blockBytes + " bytes, must be positive");
        if (queryBytes < 1)
            throw new IllegalArgumentException("query memory is " + queryBytes + " bytes, must be positive");
    }

    /** Every site held, blocks of 64 MiB, 1 GiB of queries. */
    public static ScoreOptions defaults() {
        return new ScoreOptions(null, 64L << 20, 1L << 30, null);
    }

    public ScoreOptions withSites(SiteSet chosen) {
        return new ScoreOptions(chosen, blockBytes, queryBytes, form);
    }

    public ScoreOptions withBlockBytes(long bytes) {
        return new ScoreOptions(sites, bytes, queryBytes, form);
    }

    public ScoreOptions withQueryBytes(long bytes) {
        return new ScoreOptions(sites, blockBytes, bytes, form);
    }

    public ScoreOptions withForm(QueryForm chosen) {
        return new ScoreOptions(sites, blockBytes, queryBytes, chosen);
    }
}
