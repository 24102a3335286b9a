package dev.lethe.influence;

import dev.lethe.engine.SiteSet;

/**
 * How a ledger is scored.
 *
 * @param sites      sites that count, all of them held by the ledger; null = all held
 * @param blockBytes payload bytes of a block: two blocks at most are in use at a time, one being scored, one being read
 */
public record ScoreOptions(SiteSet sites, long blockBytes) {
    public ScoreOptions {
        if (blockBytes < 1)
            throw new IllegalArgumentException("block size is " + blockBytes + " bytes, must be positive");
    }

    /** Every site held, blocks of 64 MiB. */
    public static ScoreOptions defaults() {
        return new ScoreOptions(null, 64L << 20);
    }

    public ScoreOptions withSites(SiteSet chosen) {
        return new ScoreOptions(chosen, blockBytes);
    }

    public ScoreOptions withBlockBytes(long bytes) {
        return new ScoreOptions(sites, bytes);
    }
}
