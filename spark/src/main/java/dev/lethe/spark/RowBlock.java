package dev.lethe.spark;

import dev.lethe.influence.EntryRows;
import dev.lethe.influence.EntryRows.Asked;
import dev.lethe.influence.QueryForm;
import dev.lethe.ledger.Entry;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * Rows of a block of entries as they travel: a function of their positions alone, so a task that is tried again gives the same.
 *
 * @param turn     of the pass, from 0
 * @param asked    the turn's queries
 * @param first    position of the first entry
 * @param entries  [N]
 * @param norms    [N] |g_i|, or null
 * @param products [M][N][S]
 */
record RowBlock(int turn, List<Question> asked, int first, List<Captured> entries, double[] norms, double[][][] products)
        implements Serializable {
    /** {@link Asked}. */
    record Question(String name, QueryForm form, double norm) implements Serializable { }

    /** What of an entry's header counts. */
    record Captured(long high, long low, int epoch, double learningRate) implements Serializable {
        static Captured of(Entry.EntryHeader header) {
            return new Captured(header.key().high(), header.key().low(), header.epoch(), header.learningRate());
        }

        Entry.RecordKey key() {
            return new Entry.RecordKey(high, low);
        }
    }

    static RowBlock of(int turn, List<Asked> asked, EntryRows rows, List<Entry> placed) {
        int count = rows.products()[0].length;
        return new RowBlock(turn, new ArrayList<>(asked.stream().map(one -> new Question(one.name(), one.form(), one.norm())).toList()),
                rows.first(), new ArrayList<>(placed.subList(rows.first(), rows.first() + count).stream()
                        .map(entry -> Captured.of(entry.header())).toList()), rows.norms(), rows.products());
    }

    List<Asked> queries() {
        return asked.stream().map(one -> new Asked(one.name, one.form, one.norm)).toList();
    }

    EntryRows rows() {
        return new EntryRows(first, norms, products);
    }

    /** Of one entry, alone. */
    RowBlock only(int e) {
        double[][][] own = new double[products.length][1][];
        for (int m = 0; m < own.length; m++) {
            own[m][0] = products[m][e];
        }
        return new RowBlock(turn, asked, first + e, List.of(entries.get(e)), norms == null ? null : new double[] {norms[e]}, own);
    }
}
