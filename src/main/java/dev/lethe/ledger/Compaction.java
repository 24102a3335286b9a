/*
 * Gives back the room of destroyed entries. Each segment that has such room is written anew beside its place, synced and
 * renamed over it: a kill leaves every segment either as it was or compact, and both are whole. Order, number and first
 * entry of a segment stay; a destroyed entry keeps its header, with a length of 0; live payloads are copied byte for byte, but
 * under keys encrypted anew, for their place is bound.
 * The old file is overwritten before it goes, or its blocks would keep gradients that a later erasure no longer reaches:
 * whoever has it open is refused its entries from then on. The count of changes rises, so that a reader that opened in
 * between, and an older index, see that the places moved.
 */
package dev.lethe.ledger;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.base.Shred;
import dev.lethe.engine.Work;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * What a compaction did.
 *
 * @param entries     of the ledger, destroyed ones included
 * @param destroyed   of which destroyed
 * @param bytesBefore of all segments
 * @param bytesAfter  the same afterwards
 * @param rewritten   segments that had room to give back
 */
public record Compaction(int entries, int destroyed, long bytesBefore, long bytesAfter, int rewritten) {
    /**
     * Gives the room of destroyed entries back to the disk; the entries that are left keep their bytes and their order.
     * What the files held before is overwritten: readers opened before must open again. A kill leaves a whole ledger.
     *
     * @throws BadInputException when the ledger is being written, or shares a segment with another run
     * @throws DamagedDataException when it is broken; then the broken segment is left as it was
     */
    public static Compaction compact(Path directory) {
        return Work.run("compaction", () -> compact(new LedgerFolder(directory), null));
    }

    /**
     * As {@link #compact(Path)}, and moves every entry under keys: those that lie in the clear are written anew, encrypted. A kill
     * leaves a ledger that is read as it is and gone on with by a repetition. A ledger under these keys already only notes where
     * they lie now.
     *
     * @param keys a folder of keys, made if need be
     * @throws BadInputException also when the ledger is under other keys, or {@link LedgerKeys#MOVED} names another folder
     */
    public static Compaction encrypt(Path directory, Path keys) {
        return Work.run("compaction", () -> {
            LedgerFolder folder = new LedgerFolder(directory);
            LedgerParts.of(folder);
            LedgerKeys.requireOutside(keys, directory);
            LedgerKeys.requireCounts(keys);
            return compact(folder, LedgerKeys.openOrMake(keys));
        });
    }

    /** Folder by folder. @param keys to move the entries under that lie in the clear, or null */
    private static Compaction compact(LedgerFolder ledger, LedgerKeys keys) {
        return LedgerParts.of(ledger).folders().stream().map(folder -> compactOne(folder, keys)).reduce(Compaction::plus).orElseThrow();
    }

    private Compaction plus(Compaction other) {
        return new Compaction(entries + other.entries, destroyed + other.destroyed, bytesBefore + other.bytesBefore,
                bytesAfter + other.bytesAfter, rewritten + other.rewritten);
    }

    private static Compaction compactOne(LedgerFolder folder, LedgerKeys keys) {
        LedgerFolder.LedgerIoEvent event = LedgerFolder.LedgerIoEvent.start("compact");
        int identity = LedgerManifest.read(folder).identity();
        try (LedgerFolder.WriterLock lock = LedgerFolder.WriterLock.acquire(folder, "compacting")) {
            folder.deleteLeftovers();
            LedgerContents contents = LedgerContents.load(folder, identity).requireWhole(folder);
            if (!contents.indexed()) Destruction.finish(folder, contents.entries());
            List<Integer> loose = contents.numbers().stream().filter(number -> contents.entries().stream()
                    .anyMatch(entry -> entry.segment() == number && (entry.destroyed() ? entry.length() > 0
                            : keys != null && !entry.encrypted()))).toList();
            for (int number : loose) requireUnshared(folder.segment(number));
            LedgerManifest manifest = under(folder, keys);
            if (keys != null) contents.tail().ifPresent(tail -> Destruction.wipe(folder, contents, tail)); // in the clear
            long before = folder.bytes();
            List<Entry> entries = new ArrayList<>(contents.entries().size());
            if (!loose.isEmpty()) folder.delete(folder.index());
            try (Sealer sealer = manifest.keys() == null ? null : new Sealer(manifest.keys())) {
                for (int number : contents.numbers()) {
                    List<Entry> own = contents.entries().stream().filter(entry -> entry.segment() == number).toList();
                    entries.addAll(loose.contains(number) ? rewrite(folder, number, own, manifest, sealer) : own);
                }
            }
            if (keys != null) manifest.withKeys(manifest.keys().ofAll(true)).write(folder);
            if (!loose.isEmpty() || !contents.indexed()) LedgerIndex.rewrite(folder, identity, entries);
            Compaction done = new Compaction(entries.size(), (int) entries.stream().filter(Entry::destroyed).count(),
                    before, folder.bytes(), loose.size());
            event.finish(done.entries, before - done.bytesAfter);
            return done;
        } catch (IOException e) {
            throw new BadInputException("cannot compact the ledger " + folder.path() + ": " + Reason.of(e, folder.path())
                    + "; its entries are as they were");
        }
    }

    /** The manifest; where there are keys to move under, it names them before the first entry lies under one. */
    private static LedgerManifest under(LedgerFolder folder, LedgerKeys keys) {
        LedgerManifest manifest = LedgerManifest.read(folder);
        if (keys == null) return manifest;
        LedgerManifest.Keys old = manifest.keys();
        if (old != null && !old.id().equals(keys.id()))
            throw new BadInputException("the ledger " + folder.path() + " lies under other keys (" + old.id() + ", once in "
                    + old.folder() + ") than those of " + keys.folder() + " (" + keys.id() + "); one ledger has one folder of keys");
        LedgerManifest.Keys fresh = manifest.under(keys).keys();
        LedgerManifest now = manifest.withKeys(old == null ? fresh.ofAll(false) : old.in(fresh.folder()));
        if (!now.equals(manifest)) now.write(folder);
        return now;
    }

    /** Compacting a file with two names would take room, and later erasures would no longer reach the other name. */
    private static void requireUnshared(Path segment) throws IOException {
        int links = Shred.links(segment);
        if (links > 1)
            throw new BadInputException(segment + " is shared with the ledger of another run (" + links + " links):"
                    + " compacting would take more room, and a later erasure would no longer reach both. Delete the run"
                    + " you no longer need first");
    }

    private static List<Entry> rewrite(LedgerFolder folder, int number, List<Entry> entries, LedgerManifest manifest, Sealer sealer)
            throws IOException {
        Path file = folder.segment(number);
        Path part = PrivateFiles.part(file);
        List<Entry> moved = new ArrayList<>(entries.size());
        try (FileChannel from = FileChannel.open(file, StandardOpenOption.READ);
                FileChannel to = PrivateFiles.open(part);
                PayloadReader reader = new PayloadReader(folder);
                Arena arena = Arena.ofConfined()) {
            header(from, to, arena);
            if (sealer != null) sealer.prepare(entries.stream().filter(entry -> !entry.destroyed() && !entry.encrypted()));
            MemorySegment frame = arena.allocate(SegmentLayout.ENTRY_HEADER_BYTES, SegmentLayout.ALIGNMENT);
            MemorySegment marker = arena.allocate(SegmentLayout.MARKER_BYTES, SegmentLayout.ALIGNMENT);
            for (Entry entry : entries) {
                boolean seals = sealer != null && !entry.destroyed();
                Entry next = new Entry(entry.header(), number, to.position(), entry.destroyed() ? 0
                        : seals ? Sealer.storedBytes(entry.payloadBytes()) : entry.length(), seals, entry.destroyed());
                SegmentLayout.writeEntryHeader(frame, next);
                if (!entry.destroyed() && !reader.holds(entry))
                    throw damaged(file, entry, "the payload does not match its checksum");
                if (next.destroyed()) {
                    write(to, frame);
                    write(to, marker.fill((byte) 0));
                } else if (seals) {
                    Sealer.Sealed sealed = sealed(file, entry, next, manifest, sealer, reader);
                    write(to, sealed.bytes());
                    SegmentLayout.writeMarker(marker, next.offset(), sealed.bodyCrc(), sealed.headerCrc());
                    write(to, marker);
                } else {
                    write(to, frame);
                    long body = SegmentLayout.padded(entry.length());
                    long start = entry.offset() + SegmentLayout.ENTRY_HEADER_BYTES;
                    LedgerFolder.copy(from, start, body, to);
                    LedgerFolder.read(from, marker.asByteBuffer(), start + body);
                    SegmentLayout.writeMarker(marker, next.offset(), SegmentLayout.payloadCrc(marker),
                            SegmentLayout.headerCrc(frame));
                    write(to, marker);
                }
                moved.add(next);
            }
            to.force(true);
        } catch (IOException | RuntimeException e) {
            Shred.file(part);
            throw e;
        }
        PrivateFiles.replace(part, file);
        return moved;
    }

    private static Sealer.Sealed sealed(Path file, Entry entry, Entry next, LedgerManifest manifest, Sealer sealer,
            PayloadReader reader) {
        return reader.unsealed(entry, (frame, room) -> {
            if (entry.encrypted())
                EntryCipher.decrypt(manifest.keys(), sealer.keys(), entry, frame, room).ifPresent(what -> {
                    throw damaged(file, entry, what);
                });
            else if (manifest.keys().all()) throw damaged(file, entry, GradientLedger.IN_THE_CLEAR);
            else room.copyFrom(frame.asSlice(SegmentLayout.ENTRY_HEADER_BYTES, entry.length()));
            return sealer.seal(next, room);
        });
    }

    private static DamagedDataException damaged(Path file, Entry entry, String what) {
        return new DamagedDataException(file + " at byte " + entry.offset() + ": " + what + "; the segment is left as it was");
    }

    private static void header(FileChannel from, FileChannel to, Arena arena) throws IOException {
        MemorySegment header = arena.allocate(SegmentLayout.SEGMENT_HEADER_BYTES, SegmentLayout.ALIGNMENT);
        LedgerFolder.read(from, header.asByteBuffer(), 0);
        SegmentLayout.writeChanges(header, SegmentLayout.readSegmentHeader(header).changes() + 1);
        write(to, header);
    }

    private static void write(FileChannel to, MemorySegment bytes) throws IOException {
        var buffer = bytes.asByteBuffer();
        while (buffer.hasRemaining()) to.write(buffer);
    }
}
