/*
 * Scores out of rows: the weighted sums over each record's entries, in the order of their positions, so that rows that come from
 * several processes give the same bits as those of one. Knows nothing of how products were computed.
 */
package dev.lethe.influence;

import dev.lethe.influence.EntryRows.Asked;
import dev.lethe.influence.LedgerBlocks.RecordIndex;
import dev.lethe.influence.ScoreMerger.QueryScores.RecordScore;
import dev.lethe.influence.ScoreMethod.Weighing;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.Entry.EntryHeader;
import dev.lethe.ledger.Entry.RecordKey;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiConsumer;

/** Sums rows of every entry, by rising position in each turn, and gives each turn's scores when it has all. One thread. */
public final class ScoreMerger implements EntryRows.Sink {
    private final LedgerBlocks blocks;
    private final int sites;
    private final List<Weighing> weighings;
    private final BiConsumer<Weighing, QueryScores> each;
    private final double[] norms; // [N] |g_i|, where cosines are asked for
    private List<Asked> queries = List.of();
    private double[][][][] sums; // [M][weighings][records][S]
    private int next;

    /**
     * @param sites of the model
     * @param each  hears the scores of each query and weighing as soon as they are whole
     */
    public ScoreMerger(LedgerBlocks blocks, int sites, List<Weighing> weighings, BiConsumer<Weighing, QueryScores> each) {
        this.blocks = blocks;
        this.sites = sites;
        this.weighings = weighings;
        this.each = each;
        norms = weighings.contains(Weighing.COSINE) ? new double[blocks.entries().size()] : null;
        next = blocks.entries().size();
    }

    @Override
    public void turn(List<Asked> asked) {
        end();
        queries = List.copyOf(asked);
        sums = new double[queries.size()][weighings.size()][blocks.records().size()][sites];
        next = 0;
        giveWhenWhole();
    }

    /** @throws IllegalStateException when rows are missing or come twice */
    @Override
    public void rows(EntryRows rows) {
        if (rows.first() != next) throw new IllegalStateException("rows from " + rows.first() + " on, where " + next + " comes next");
        if (rows.norms() != null && norms != null) System.arraycopy(rows.norms(), 0, norms, next, rows.norms().length);
        RecordIndex records = blocks.records();
        int count = rows.products()[0].length;
        for (int m = 0; m < queries.size(); m++)
            for (int e = 0; e < count; e++) {
                int at = next + e;
                int record = records.of(at);
                for (int w = 0; w < weighings.size(); w++)
                    add(sums[m][w][record], weight(weighings.get(w), m, at), rows.products()[m][e]);
            }
        next += count;
        giveWhenWhole();
    }

    private double weight(Weighing weighing, int query, int at) {
        Entry.EntryHeader header = blocks.entries().get(at).header();
        return switch (weighing) {
            case SUM -> 1;
            case LEARNING_RATE -> header.learningRate();
            case COSINE -> inverse(queries.get(query).norm() * norms[at]) / blocks.records().epochs(blocks.records().of(at));
        };
    }

    private static void add(double[] to, double weight, double[] bySite) {
        for (int site = 0; site < to.length; site++) to[site] += weight * bySite[site];
    }

    private void giveWhenWhole() {
        if (next < blocks.entries().size()) return;
        for (int m = 0; m < queries.size(); m++)
            for (int w = 0; w < weighings.size(); w++)
                each.accept(weighings.get(w), new QueryScores(queries.get(m).name(), queries.get(m).form(), scores(sums[m][w])));
        sums = null;
    }

    /** To be asked when no more rows come. @throws IllegalStateException when some are missing */
    public void end() {
        if (next != blocks.entries().size())
            throw new IllegalStateException("rows end at " + next + " of " + blocks.entries().size());
    }

    private List<RecordScore> scores(double[][] values) {
        RecordIndex records = blocks.records();
        List<RecordScore> scores = new ArrayList<>(records.size());
        for (int record = 0; record < records.size(); record++) {
            double[] bySite = values[record];
            scores.add(new RecordScore(records.key(record), records.epochs(record), Arrays.stream(bySite).sum(), bySite));
        }
        return scores;
    }

    private static double inverse(double value) {
        return value == 0 ? 0 : 1 / value;
    }

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
}
