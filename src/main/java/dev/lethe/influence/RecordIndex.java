package dev.lethe.influence;

import dev.lethe.ledger.Entry;
import dev.lethe.ledger.RecordKey;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Which record each entry of a pass is of; records are numbered in the order they are first met. */
final class RecordIndex {
    private final List<RecordKey> keys = new ArrayList<>();
    private final int[] records; // [entries]
    private final int[] epochs;  // [records] entries of each

    private RecordIndex(List<Entry> entries) {
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

    static RecordIndex of(List<Entry> entries) {
        return new RecordIndex(entries);
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
}
