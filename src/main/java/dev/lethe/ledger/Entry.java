package dev.lethe.ledger;

import dev.lethe.base.Sha256;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.Locale;
import java.util.Objects;

/**
 * Where a committed entry lies. It carries no bytes: {@link GradientLedger#payload} maps and checks them.
 *
 * @param segment   number of the segment file; in an open ledger of several folders its number among the segments of all
 * @param offset    of the entry's frame in that file, a multiple of 64
 * @param length    of the payload in bytes as it lies in the file; {@link #payloadBytes} as it was reserved
 * @param encrypted the payload lies under the record's key
 * @param destroyed the payload is gone; only this header is left, with the key {@link RecordKey#NONE}
 */
public record Entry(EntryHeader header, int segment, long offset, long length, boolean encrypted, boolean destroyed) {
    /** By where the bytes lie: segment by segment, from front to back. */
    public static final Comparator<Entry> BY_PLACE = Comparator.comparingInt(Entry::segment).thenComparingLong(Entry::offset);

    public Entry {
        if (destroyed) header = header.withoutKey();
    }

    /** The same by another number of its segment. */
    Entry inSegment(int number) {
        return number == segment ? this : new Entry(header, number, offset, length, encrypted, destroyed);
    }

    Entry asDestroyed() {
        return new Entry(header, segment, offset, length, encrypted, true);
    }

    /** Bytes of the payload that {@link GradientLedger#payload} gives. */
    public long payloadBytes() {
        return encrypted ? length - EntryCipher.TAG_BYTES : length;
    }

    /**
     * What the ledger keeps in the clear about one captured gradient.
     *
     * @param key          the record
     * @param epoch        0-based epoch in which it was captured
     * @param step         training step whose weights the gradient was taken at; never falls from one entry to the next
     * @param learningRate of that step
     * @param weight       the record's weight in its batch (the gradient itself is of the record's own mean loss)
     * @param tokens       T, at least 1
     * @param targets      positions that carry a loss, 0..T
     */
    public record EntryHeader(
            RecordKey key, int epoch, long step, double learningRate, double weight, int tokens, int targets) {
        public EntryHeader {
            Objects.requireNonNull(key, "key");
            if (epoch < 0) throw new IllegalArgumentException("epoch is " + epoch + ", must be 0 or more");
            if (step < 0) throw new IllegalArgumentException("step is " + step + ", must be 0 or more");
            if (!Double.isFinite(learningRate))
                throw new IllegalArgumentException("learning rate is " + learningRate + ", must be finite");
            if (!Double.isFinite(weight)) throw new IllegalArgumentException("weight is " + weight + ", must be finite");
            if (tokens < 1) throw new IllegalArgumentException("tokens is " + tokens + ", must be 1 or more");
            if (targets < 0 || targets > tokens)
                throw new IllegalArgumentException("targets is " + targets + ", must be 0.." + tokens);
        }

        EntryHeader withoutKey() {
            return new EntryHeader(RecordKey.NONE, epoch, step, learningRate, weight, tokens, targets);
        }
    }

    /**
     * Names a training record in the ledger without its id: the first 16 bytes of the SHA-256 of the id (UTF-8),
     * big-endian. The hash has no salt: who knows an id finds its entries, so a destroyed entry's key goes with its payload.
     */
    public record RecordKey(long high, long low) implements Comparable<RecordKey> {
        /** Of a destroyed entry: nobody's. */
        public static final RecordKey NONE = new RecordKey(0, 0);

        public static RecordKey of(String recordId) {
            ByteBuffer bytes = ByteBuffer.wrap(Sha256.of(recordId.getBytes(StandardCharsets.UTF_8)));
            return new RecordKey(bytes.getLong(), bytes.getLong());
        }

        @Override
        public int compareTo(RecordKey other) {
            int byHigh = Long.compareUnsigned(high, other.high);
            return byHigh != 0 ? byHigh : Long.compareUnsigned(low, other.low);
        }

        /** 32 hexadecimal digits. */
        @Override
        public String toString() {
            return String.format(Locale.ROOT, "%016x%016x", high, low);
        }
    }
}
