/*
 * The writing side of a ledger under keys: native code and devices write payloads into memory of their own, which becomes an
 * entry's ciphertext in the file when the batch is committed and is zeroed then. Nothing here writes a plain byte of them to
 * the disk; the system may, when it swaps the process out or dumps its memory.
 */
package dev.lethe.ledger;

import dev.lethe.base.BadInputException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Encrypts entries of one ledger. Confined to its writer's thread. */
final class Sealer implements AutoCloseable {
    private static final long BLOCK_BYTES = 16L << 20;

    /** A whole entry but for its marker: header and body as they go into the file, valid until the next one. */
    record Sealed(MemorySegment bytes, int headerCrc, int bodyCrc) {}

    private final LedgerManifest.Keys where;
    private final LedgerKeys keys;
    private final Arena arena = Arena.ofShared(); // native code writes on threads of its own
    private final List<MemorySegment> blocks = new ArrayList<>(); // reused from batch to batch
    private int block; // the one that has room
    private long used; // of it
    private Arena stagingArena = Arena.ofConfined();
    private MemorySegment staging = MemorySegment.NULL; // one entry's ciphertext

    Sealer(LedgerManifest.Keys where) {
        this.where = where;
        keys = LedgerKeys.of(where);
    }

    /** Bytes in the file of a payload. @throws BadInputException when it is more than one cipher call takes */
    static long storedBytes(long payloadBytes) {
        if (payloadBytes > EntryCipher.MOST_BYTES)
            throw new BadInputException("a record's gradients take " + payloadBytes + " bytes, and an entry under a key has at most "
                    + EntryCipher.MOST_BYTES + "; capture less of each (rank=16, head_top_k=256, sites=embedding)");
        return payloadBytes + EntryCipher.TAG_BYTES;
    }

    /** Zeroed memory for one payload, 64-byte aligned, until {@link #wipe}. */
    MemorySegment room(long payloadBytes) {
        long bytes = SegmentLayout.padded(payloadBytes);
        while (block < blocks.size() && used + bytes > blocks.get(block).byteSize()) {
            block++;
            used = 0;
        }
        if (block == blocks.size()) blocks.add(arena.allocate(Math.max(BLOCK_BYTES, bytes), SegmentLayout.ALIGNMENT));
        MemorySegment room = blocks.get(block).asSlice(used, payloadBytes, SegmentLayout.ALIGNMENT);
        used += bytes;
        return room;
    }

    /** Keys for the records of these entries, before any of them is sealed. */
    void prepare(Stream<Entry> entries) {
        Set<WrappedKeys.Name> names = entries.map(this::name).collect(Collectors.toCollection(LinkedHashSet::new));
        if (!names.isEmpty()) keys.make(names);
    }

    LedgerKeys keys() {
        return keys;
    }

    private WrappedKeys.Name name(Entry entry) {
        return LedgerKeys.name(where, entry.header().key());
    }

    /** @param entry where it goes, its length that of {@link #storedBytes}; prepared */
    Sealed seal(Entry entry, MemorySegment clear) {
        long body = SegmentLayout.padded(entry.length());
        long bytes = SegmentLayout.ENTRY_HEADER_BYTES + body;
        if (staging.byteSize() < bytes) {
            stagingArena.close();
            stagingArena = Arena.ofConfined();
            staging = stagingArena.allocate(bytes, SegmentLayout.ALIGNMENT);
        }
        MemorySegment sealed = staging.asSlice(0, bytes);
        SegmentLayout.writeEntryHeader(sealed, entry, EntryCipher.random(SegmentLayout.NONCE_BYTES));
        MemorySegment payload = sealed.asSlice(SegmentLayout.ENTRY_HEADER_BYTES, body);
        payload.asSlice(entry.length()).fill((byte) 0);
        EntryCipher.seal(keys.key(name(entry)), sealed, clear, payload.asSlice(0, entry.length()));
        return new Sealed(sealed, SegmentLayout.headerCrc(sealed), SegmentLayout.crc(payload));
    }

    /** Zeroes and takes back all rooms. */
    void wipe() {
        for (int i = 0; i < Math.min(block + 1, blocks.size()); i++) {
            MemorySegment one = blocks.get(i);
            (i < block ? one : one.asSlice(0, used)).fill((byte) 0);
        }
        block = 0;
        used = 0;
    }

    @Override
    public void close() {
        wipe();
        arena.close();
        stagingArena.close();
    }
}
