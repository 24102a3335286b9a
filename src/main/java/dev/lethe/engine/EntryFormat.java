package dev.lethe.engine;

import dev.lethe.shape.Dtype;
import dev.lethe.shape.SiteSet;
import java.util.Objects;

/**
 * Which gradients a captured entry holds, and how.
 *
 * @param sites    the sites held; not empty
 * @param headTopK 0 keeps the softmax error at the head exactly; k keeps its k largest magnitudes a token (the target
 *                 always) and records the share dropped
 * @param dtype    F32 or BF16; F64 only for an F64 model
 * @param rank     0 keeps a row a token at a linear site; r keeps the best r rows of a longer record (by singular values)
 *                 and records the share of the squared norm dropped
 */
public record EntryFormat(SiteSet sites, int headTopK, Dtype dtype, int rank) {
    /** @throws IllegalArgumentException for an empty selection, a negative top-k or rank, or F16 */
    public EntryFormat {
        Objects.requireNonNull(sites, "sites");
        Objects.requireNonNull(dtype, "dtype");
        if (sites.isEmpty()) {
            throw new IllegalArgumentException("entry format: no site is selected");
        }
        if (headTopK < 0) {
            throw new IllegalArgumentException("entry format: head top-k " + headTopK + " is negative; 0 means exact");
        }
        if (rank < 0) {
            throw new IllegalArgumentException("entry format: rank " + rank + " is negative; 0 means a row a token");
        }
        if (dtype == Dtype.F16) {
            throw new IllegalArgumentException("entry format: dtype F16 is not supported; use F32 or BF16");
        }
    }

    /** What a device makes of it before the host chooses rows: every row, in the model's own width. */
    public EntryFormat untruncated(Dtype model) {
        return rank == 0 ? this : new EntryFormat(sites, headTopK, model);
    }

    /** A row a token at linear sites. */
    public EntryFormat(SiteSet sites, int headTopK, Dtype dtype) {
        this(sites, headTopK, dtype, 0);
    }

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
}
