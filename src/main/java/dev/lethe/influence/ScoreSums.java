package dev.lethe.influence;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Weighted sums over the entries of each record, site by site. */
final class ScoreSums {
    private final int sites;
    private final double[] values; // [records, S]

    ScoreSums(int records, int sites) {
        this.sites = sites;
        values = new double[Math.multiplyExact(records, sites)];
    }

    void add(int record, double weight, double[] bySite) {
        for (int site = 0; site < sites; site++) values[record * sites + site] += weight * bySite[site];
    }

    List<RecordScore> scores(RecordIndex records) {
        List<RecordScore> scores = new ArrayList<>(records.size());
        for (int record = 0; record < records.size(); record++) {
            double[] bySite = Arrays.copyOfRange(values, record * sites, (record + 1) * sites);
            scores.add(new RecordScore(records.key(record), records.epochs(record), Arrays.stream(bySite).sum(), bySite));
        }
        return scores;
    }
}
