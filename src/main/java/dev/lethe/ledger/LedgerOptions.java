package dev.lethe.ledger;

/**
 * How a writer lays its files out.
 *
 * @param segmentBytes    a segment takes no further entry beyond this size; a larger entry gets its own segment
 * @param syncEveryCommit whether every commit waits for the disk; else only {@link LedgerWriter#sync} and close do.
 *                        A killed process loses nothing committed either way; a power cut may lose what was not synced.
 */
public record LedgerOptions(long segmentBytes, boolean syncEveryCommit) {
    public LedgerOptions {
        if (segmentBytes < 4096)
            throw new IllegalArgumentException("segment size is " + segmentBytes + " bytes, must be at least 4096");
    }

    /** Segments of 1 GiB, synced on demand. */
    public static LedgerOptions defaults() {
        return new LedgerOptions(1L << 30, false);
    }
}
