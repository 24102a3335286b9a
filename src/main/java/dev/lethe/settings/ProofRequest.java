package dev.lethe.settings;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a proof is made of.
 *
 * @param run         a run that an erasure made
 * @param references  runs or model folders trained without the erased records; may be empty
 * @param oracles     more of them, and runs of the same erasure from other trainings, for likelihood ratios alone; may be empty
 * @param controls    a file of records never seen, beside those the run held out; null for none
 * @param data        a file that still has the erased records; null for the run's own
 * @param paraphrases a file of the same records, by id, in other words; null for none
 */
public record ProofRequest(Path run, List<Path> references, List<Path> oracles, @Nullable Path controls,
                           @Nullable Path data, @Nullable Path paraphrases) {
    /** Copies its lists. */
    public ProofRequest {
        references = List.copyOf(references);
        oracles = List.copyOf(oracles);
    }
}
