package dev.lethe.results;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One run of the lineage.
 *
 * @param run     its folder
 * @param identity {@link dev.lethe.run.RunInfo#identity}
 * @param entries ledger entries of the erased records that were there when the erasure began
 * @param keys    of the erased records' keys, those that such entries lay under; null of a ledger in the clear
 * @param done    whether nothing is left of them and of the records' rows
 * @param reason  why it is not done; null before a try, and when done
 */
public record Destroyed(String run, String identity, int entries,
                        @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Integer keys, boolean done, @Nullable String reason) {
    /** Refuses null for run and identity. */
    public Destroyed {
        Objects.requireNonNull(run, "run");
        Objects.requireNonNull(identity, "identity");
    }

    /**
     * The same after a try. {@code failure} null: it is done.
     *
     * @param failure why it is not done, or null
     * @return the place now
     */
    public Destroyed tried(@Nullable String failure) {
        return new Destroyed(run, identity, entries, keys, failure == null, failure);
    }

    @Override
    public String toString() {
        return run + " (" + entries + " ledger entries" + (reason == null ? "" : ": " + reason) + ")";
    }
}
