/*
 * What a pass over a ledger goes over, and how it is cut. Products of a block's entries are one matrix product together and may
 * depend, in their last bit, on what is beside them; so blocks are cut by the ledger and a size alone, and a shard is a range of
 * whole blocks: whoever scores it, in whatever process, computes the same bits. Reads no payload.
 */
package dev.lethe.influence;

import dev.lethe.base.Sha256;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.Entry.RecordKey;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The live entries that are asked for, in the order in which their bytes lie (segment by segment), in blocks: as many as
 * blockBytes take, 4,096 at most, of one segment; an entry larger than that is a block of its own. An entry's position in
 * this order is what partial scores name it by. Immutable, any thread.
 */
public final class LedgerBlocks {
    private static final int LARGEST_BLOCK = 4096; // entries

    private final List<Entry> entries;
    private final RecordIndex records;
    private final int[] starts;   // [blocks + 1] position of each block's first entry
    private final long[] bytes;   // [blocks + 1] of the payloads before each

    private LedgerBlocks(List<Entry> entries, RecordIndex records, int[] starts, long[] bytes) {
        this.entries = entries;
        this.records = records;
        this.starts = starts;
        this.bytes = bytes;
    }

    /** @param some entries of one ledger, of each only once, in the ledger's order; destroyed ones are passed over */
    public static LedgerBlocks of(List<Entry> some, long blockBytes) {
        List<Entry> live = some.stream().filter(entry -> !entry.destroyed()).toList();
        List<Entry> placed = new ArrayList<>(live);
        placed.sort(Entry.BY_PLACE);
        List<Entry> entries = List.copyOf(placed);
        int[] starts = new int[entries.size() + 1];
        long[] bytes = new long[entries.size() + 1];
        int blocks = 0;
        long sum = 0;
        for (int i = 0; i < entries.size(); i++) {
            Entry entry = entries.get(i);
            if (i == 0 || entry.segment() != entries.get(i - 1).segment() || i - starts[blocks - 1] == LARGEST_BLOCK
                    || sum - bytes[blocks - 1] + entry.payloadBytes() > blockBytes) {
                starts[blocks] = i;
                bytes[blocks++] = sum;
            }
            sum += entry.payloadBytes(); // as in the clear: where it is cut does not depend on keys
        }
        starts[blocks] = entries.size();
        bytes[blocks] = sum;
        return new LedgerBlocks(entries, new RecordIndex(live, entries), Arrays.copyOf(starts, blocks + 1),
                Arrays.copyOf(bytes, blocks + 1));
    }

    /** [N] by position. */
    public List<Entry> entries() {
        return entries;
    }

    /** SHA-256, lower-case hex, of what the ledger says of these entries: who, when, how long, where they are cut. */
    public String sha256() {
        MessageDigest digest = Sha256.digest();
        ByteBuffer bytes = ByteBuffer.allocate(1 << 16);
        for (int i = 0, block = 0; i < entries.size(); i++) {
            if (bytes.remaining() < 80) {
                digest.update(bytes.flip());
                bytes.clear();
            }
            Entry.EntryHeader header = entries.get(i).header();
            if (starts[block] == i) block++;
            bytes.putLong(header.key().high()).putLong(header.key().low()).putInt(header.epoch()).putLong(header.step())
                    .putDouble(header.learningRate()).putDouble(header.weight()).putInt(header.tokens()).putInt(header.targets())
                    .putLong(entries.get(i).payloadBytes()).putInt(block);
        }
        digest.update(bytes.flip());
        return Sha256.hex(digest.digest());
    }

    RecordIndex records() {
        return records;
    }

    /** Blocks in all. */
    public int count() {
        return starts.length - 1;
    }

    /** Entries of one block. */
    List<Entry> block(int block) {
        return entries.subList(starts[block], starts[block + 1]);
    }

    /** Position of a block's first entry; for {@link #count} the number of entries. */
    int first(int block) {
        return starts[block];
    }

    /** All blocks as one. */
    public Shard all() {
        return new Shard(1, 1, 0, count(), 0, entries.size());
    }

    /**
     * A shard of n, from 1: its blocks begin in the i-th n-th of the bytes. Of more shards than blocks some are empty.
     *
     * @throws IllegalArgumentException when there is no such shard
     */
    public Shard shard(int i, int n) {
        if (n < 1 || i < 1 || i > n) throw new IllegalArgumentException("shard " + i + "/" + n + ": must be 1/" + Math.max(1, n) + " to "
                + Math.max(1, n) + "/" + Math.max(1, n));
        return shard(i, n, cut(i - 1, n), cut(i, n));
    }

    private Shard shard(int i, int n, int from, int to) {
        return new Shard(i, n, from, to, starts[from], starts[to]);
    }

    /** The first block that does not begin before the i-th n-th of the bytes; all of them for i = n. */
    private int cut(int i, int n) {
        if (i == n) return count();
        long target = bytes[count()] / n * i + bytes[count()] % n * i / n;
        int block = 0;
        while (block < count() && bytes[block] < target) block++;
        return block;
    }

    /**
     * A range of blocks.
     *
     * @param i     which of n it is, from 1
     * @param from  its first block
     * @param to    the block behind its last
     * @param first position of its first entry
     * @param last  position behind its last entry
     */
    public record Shard(int i, int n, int from, int to, int first, int last) {
        /** As {@code i/n}. */
        @Override
        public String toString() {
            return i + "/" + n;
        }
    }

    /** Which record each entry of a pass is of; records are numbered in the order they were first captured. */
    static final class RecordIndex {
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
}
