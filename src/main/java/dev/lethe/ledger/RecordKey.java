package dev.lethe.ledger;

import dev.lethe.base.Sha256;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

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
