package dev.lethe.influence;

import dev.lethe.ledger.Entry.EntryHeader;
import dev.lethe.ledger.Entry.RecordKey;
import java.util.List;

/**
 * A query's scores of all records.
 *
 * @param query   its name
 * @param form    how the products were computed
 * @param records in the order first captured
 */
public record QueryScores(String query, QueryForm form, List<RecordScore> records) {
    /**
     * The activation-gradient product of one example: sum over tokens of &lt;y, dL/dy&gt; at each site's output y.
     *
     * @param id     of the record
     * @param bySite [S] in the model's order
     */
    public record ActivationScore(String id, double total, double[] bySite) {}

    /**
     * &lt;g_q, g_i&gt; of one ledger entry.
     *
     * @param entry  whose gradient g_i is
     * @param total  the sum over the sites
     * @param bySite [S] in the model's order, 0 where a site does not count; with a tied head, wte and lm_head are the two
     *               parts of one tensor's product
     */
    public record EntryScore(EntryHeader entry, double total, double[] bySite) {}

    /**
     * What a record's captured epochs sum to.
     *
     * @param epochs captured epochs that were summed
     * @param bySite [S] in the model's order
     */
    public record RecordScore(RecordKey key, int epochs, double total, double[] bySite) {}
}
