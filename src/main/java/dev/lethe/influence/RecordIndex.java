package dev.lethe.influence;

import dev.lethe.ledger.Entry;
import dev.lethe.ledger.Entry.RecordKey;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Which record each entry of a pass is of; records are numbered in the order they were first captured. */
final class RecordIndex {
    private final List<RecordKey> keys = new ArrayList<>();
    private final int[] records; // [entries]
    private final int[] epochs;  // [records] entries of each

    /** @param captured the entries as they were captured; {@code placed} the same as the pass meets them */
    RecordIndex(List<Entry> captured, List<Entry> placed) {
        Map<RecordKey, Integer> known = HashMap.newHashMap(captured.size());
        for (Entry entry : captured)
            if (known.putIfAbsent(entry.header().key(), keys.size()) == null) keys.add(entry.header().key());
        records = placed.stream().mapToInt(entry -> known.get(entry.header().key())).toArray();
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
}
