package dev.lethe.ledger;

/**
 * Where a committed entry lies. It carries no bytes: {@link GradientLedger#payload} maps and checks them.
 *
 * @param segment   number of the segment file
 * @param offset    of the entry's frame in that file, a multiple of 64
 * @param length    of the payload in bytes, as it was reserved
 * @param destroyed the payload is gone; only this header is left, with the key {@link RecordKey#NONE}
 */
public record Entry(EntryHeader header, int segment, long offset, long length, boolean destroyed) {
    public Entry {
        if (destroyed) header = header.withoutKey();
    }

    Entry asDestroyed() {
        return new Entry(header, segment, offset, length, true);
    }
}
