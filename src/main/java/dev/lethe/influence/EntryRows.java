package dev.lethe.influence;

import java.util.List;

/**
 * What a pass gives of a block's entries, whatever process it runs in: sums of them are scores ({@link ScoreMerger}).
 *
 * @param first    position of the first entry ({@link LedgerBlocks})
 * @param norms    [N] |g_i| of each, a tied table whole; in the first turn where cosines are asked for, else null
 * @param products [M][N][S] &lt;q_m, g_i&gt; of the turn's queries, site by site in the model's order, 0 where a site does not count
 */
public record EntryRows(int first, double[] norms, double[][][] products) {
    /**
     * A query of a turn.
     *
     * @param form null where the rows are squared norms of the entries themselves
     * @param norm |q_m|, or NaN where nobody asked for it
     */
    public record Asked(String name, QueryForm form, double norm) {}

    /** Takes rows turn by turn: the queries whose rows follow, then the rows by rising position. */
    public interface Sink {
        void turn(List<Asked> queries);

        void rows(EntryRows rows);
    }
}
