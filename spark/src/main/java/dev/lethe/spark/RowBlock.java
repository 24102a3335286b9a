package dev.lethe.spark;

import dev.lethe.influence.EntryRows;
import dev.lethe.influence.EntryRows.Asked;
import dev.lethe.influence.QueryForm;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * Rows of a block of entries as they travel: a function of their positions alone, so a task that is tried again gives the same.
 *
 * @param turn     of the pass, from 0
 * @param names    [M] of the turn's queries
 * @param forms    [M] or null where the rows are the entries' own squared norms
 * @param queryNorms [M] |q_m|
 * @param first    position of the first entry
 * @param norms    [N] |g_i|, or null
 * @param products [M][N][S]
 */
record RowBlock(int turn, List<String> names, List<QueryForm> forms, double[] queryNorms, int first, double[] norms,
                double[][][] products) implements Serializable {
    static RowBlock of(int turn, List<Asked> asked, EntryRows rows) {
        List<QueryForm> forms = new ArrayList<>();
        asked.forEach(one -> forms.add(one.form())); // which may be null
        return new RowBlock(turn, asked.stream().map(Asked::name).toList(), forms, asked.stream().mapToDouble(Asked::norm).toArray(),
                rows.first(), rows.norms(), rows.products());
    }

    List<Asked> asked() {
        List<Asked> asked = new ArrayList<>();
        for (int m = 0; m < queryNorms.length; m++) {
            asked.add(new Asked(names.get(m), forms.get(m), queryNorms[m]));
        }
        return asked;
    }

    EntryRows rows() {
        return new EntryRows(first, norms, products);
    }

    int entries() {
        return products[0].length;
    }
}
