package dev.lethe.influence;

import dev.lethe.influence.QueryScores.RecordScore;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.Entry.RecordKey;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Which record each entry of a pass is of; records are numbered in the order they are first met. */
final class RecordIndex {
    private final List<RecordKey> keys = new ArrayList<>();
    private final int[] records; // [entries]
    private final int[] epochs;  // [records] entries of each

    RecordIndex(List<Entry> entries) {
        Map<RecordKey, Integer> known = HashMap.newHashMap(entries.size());
        records = new int[entries.size()];
        for (int i = 0; i < records.length; i++) {
            RecordKey key = entries.get(i).header().key();
            records[i] = known.computeIfAbsent(key, unknown -> keys.size());
            if (records[i] == keys.size()) keys.add(key);
        }
        epochs = new int[keys.size()];
        for (int record : records) epochs[record]++;
    }

    int size() {
        return keys.size();
    }

    int of(int entry) {
        return records[entry];
    }

    RecordKey key(int record) {
        return keys.get(record);
    }

    int epochs(int record) {
        return epochs[record];
    }

    /** Weighted sums over the entries of each record, site by site. */
    static final class ScoreSums {
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
}
