/*
 * Destroying entries, in an order that a kill at any point cannot undo: (0) under keys those of the records, with which every
 * copy of the ledger becomes unreadable; where that fails the entries are overwritten all the same, (1) the index goes, (2) each touched
 * segment's count of changes rises, so that indexes of other folders that share the file by hard links go stale too, (3) every
 * entry is marked destroyed: from here no reader uses it, (4) its key becomes zero, with the header's checksum beside it
 * in one write inside one disk sector, (5) payloads and markers become zeros, (6) a new index. Each stage is on the disk
 * before the next begins. What stages 4 and 5 did not reach is found and finished by the next writer.
 */
package dev.lethe.ledger;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.ledger.LedgerCheck.Tail;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.IntSupplier;
import java.util.stream.Collectors;

/** Overwrites entries of a ledger that nobody writes. */
public final class Destruction implements AutoCloseable {
    private final LedgerFolder folder;
    private final TreeMap<Integer, FileChannel> channels = new TreeMap<>();
    private final ByteBuffer zeros = ByteBuffer.allocateDirect(1 << 20);

    private Destruction(LedgerFolder folder) {
        this.folder = folder;
    }

    /**
     * Destroys every entry of these records: the payloads are overwritten with zeros on the disk, the headers marked
     * destroyed. Key, token ids, gradients and their checksums are gone; epoch, step and counts stay. Safe to repeat,
     * and a killed destruction is finished by the next call or the next writer, never by a reader. Ledgers that share
     * segments by {@link GradientLedger#link} lose the entries together.
     * Under keys theirs go first, for all copies of the ledger at once.
     * An overwrite reaches the blocks of file systems that write in place; on copy-on-write
     * file systems, in snapshots and in worn flash cells old blocks may outlive it.
     *
     * @return entries newly destroyed
     * @throws BadInputException when the ledger is being written
     */
    public static int destroy(Path directory, Set<Entry.RecordKey> keys) {
        LedgerFolder ledger = new LedgerFolder(directory);
        LedgerManifest manifest = LedgerManifest.read(ledger); // before a lock is put into what is no ledger
        // in every folder, whatever fails in another, be it that it is not there
        List<IntSupplier> all = new ArrayList<>(List.of(() -> destroyIn(ledger, keys)));
        for (String name : manifest.folders()) all.add(() -> destroyIn(LedgerParts.part(ledger, manifest, name).folder(), keys));
        all.add(() -> {
            LedgerParts.requireNamed(ledger, manifest);
            return 0;
        });
        int overwritten = 0;
        RuntimeException failed = null;
        for (IntSupplier one : all) {
            try {
                overwritten += one.getAsInt();
            } catch (RuntimeException e) {
                if (failed == null) failed = e;
                else failed.addSuppressed(e);
            }
        }
        if (failed != null) throw failed;
        return overwritten;
    }

    private static int destroyIn(LedgerFolder folder, Set<Entry.RecordKey> keys) {
        try (LedgerFolder.WriterLock lock = LedgerFolder.WriterLock.acquire(folder, "destroying entries")) {
            RuntimeException failed = null;
            try {
                drop(LedgerManifest.read(folder).keys(), keys);
            } catch (RuntimeException e) {
                failed = e;
            }
            int overwritten = 0;
            try {
                overwritten = overwrite(folder, keys);
            } catch (RuntimeException e) {
                if (failed == null) throw e;
                failed.addSuppressed(e);
            }
            if (failed != null) throw failed;
            return overwritten;
        }
    }

    private static void drop(LedgerManifest.Keys where, Set<Entry.RecordKey> keys) {
        if (where != null)
            LedgerKeys.of(where).destroy(keys.stream().map(key -> LedgerKeys.name(where, key)).collect(Collectors.toSet()));
    }

    /** Needs the writer lock. */
    private static int overwrite(LedgerFolder folder, Set<Entry.RecordKey> keys) {
        LedgerFolder.LedgerIoEvent event = LedgerFolder.LedgerIoEvent.start("destroy");
        int identity = LedgerManifest.read(folder).identity();
        return Io.input("cannot destroy entries of " + folder.path(), () -> {
            folder.deleteLeftovers();
            LedgerContents contents = LedgerContents.load(folder, identity);
            Set<Entry.RecordKey> wanted = new HashSet<>(keys);
            List<Entry> entries = new ArrayList<>(contents.entries());
            List<Entry> doomed = new ArrayList<>();
            entries.replaceAll(entry -> {
                if (entry.destroyed() || !wanted.contains(entry.header().key())) return entry;
                doomed.add(entry);
                return entry.asDestroyed();
            });
            if (!contents.indexed()) finish(folder, contents.entries());
            if (!doomed.isEmpty()) {
                folder.delete(folder.index());
                try (Destruction work = new Destruction(folder)) {
                    work.countChange(doomed);
                    work.mark(doomed);
                    work.clearKeys(doomed);
                    work.wipe(doomed);
                }
            }
            contents.tail().ifPresent(tail -> wipe(folder, contents, tail));
            contents.requireWhole(folder); // what can be destroyed is; the damaged places may hide more
            LedgerIndex.rewrite(folder, identity, entries);
            event.finish(doomed.size(), doomed.stream().mapToLong(Entry::length).sum());
            return doomed.size();
        });
    }

    /** Zeroes what an interrupted destruction marked and did not clear. Needs the writer lock. */
    static void finish(LedgerFolder folder, List<Entry> entries) {
        List<Entry> left = unfinished(folder, entries);
        if (left.isEmpty()) return;
        try (Destruction work = new Destruction(folder)) {
            work.clearKeys(left);
            work.wipe(left);
        } catch (IOException e) {
            throw new BadInputException("cannot finish destroying entries of " + folder.path() + ": "
                    + Reason.of(e, folder.path()));
        }
    }

    /** Entries that are marked destroyed and still hold a key or bytes. */
    static List<Entry> unfinished(LedgerFolder folder, List<Entry> entries) {
        if (entries.stream().noneMatch(Entry::destroyed)) return List.of();
        try (PayloadReader reader = new PayloadReader(folder)) {
            return entries.stream().filter(entry -> entry.destroyed() && !reader.isGone(entry)).toList();
        }
    }

    private void countChange(List<Entry> entries) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment header = arena.allocate(SegmentLayout.SEGMENT_HEADER_BYTES, SegmentLayout.ALIGNMENT);
            for (int number : segmentsOf(entries)) {
                LedgerFolder.read(channel(number), header.asByteBuffer(), 0);
                var before = SegmentLayout.readSegmentHeader(header);
                SegmentLayout.writeChanges(header, before == null ? 1 : before.changes() + 1);
                ByteBuffer words = header.asSlice(SegmentLayout.CHANGES_OFFSET, 16).asByteBuffer();
                channel(number).write(words, SegmentLayout.CHANGES_OFFSET);
            }
        }
        force();
    }

    private void mark(List<Entry> entries) throws IOException {
        ByteBuffer state = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (Entry entry : entries) {
            state.clear().putLong(SegmentLayout.DESTROYED).flip();
            channel(entry.segment()).write(state, entry.offset() + SegmentLayout.STATE_OFFSET);
        }
        force();
    }

    private void clearKeys(List<Entry> entries) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment header = arena.allocate(SegmentLayout.ENTRY_HEADER_BYTES, SegmentLayout.ALIGNMENT);
            for (Entry entry : entries) {
                FileChannel channel = channel(entry.segment());
                LedgerFolder.read(channel, header.asByteBuffer(), entry.offset());
                SegmentLayout.clearKey(header);
                long from = SegmentLayout.ENTRY_CRC_OFFSET;
                channel.write(header.asSlice(from, SegmentLayout.KEY_END - from).asByteBuffer(), entry.offset() + from);
            }
        }
        force();
    }

    private void wipe(List<Entry> entries) throws IOException {
        for (Entry entry : entries) {
            long end = entry.offset() + SegmentLayout.frameBytes(entry.length());
            zero(channel(entry.segment()), entry.offset() + SegmentLayout.ENTRY_HEADER_BYTES, end);
        }
        force();
    }

    /** A torn tail holds a record's gradient too, and nobody can say whose. */
    static void wipe(LedgerFolder folder, LedgerContents contents, Tail tail) {
        try (Destruction work = new Destruction(folder)) {
            for (int number : contents.numbers())
                if (LedgerFolder.segmentName(number).equals(tail.file()))
                    work.zero(work.channel(number), tail.offset(), tail.offset() + tail.bytes());
            work.force();
        } catch (IOException e) {
            throw new BadInputException("cannot overwrite " + tail.file() + ": " + Reason.of(e));
        }
    }

    private void zero(FileChannel channel, long from, long to) throws IOException {
        for (long at = from; at < to; ) {
            zeros.clear().limit((int) Math.min(zeros.capacity(), to - at));
            at += channel.write(zeros, at);
        }
    }

    private static SortedSet<Integer> segmentsOf(List<Entry> entries) {
        SortedSet<Integer> numbers = new TreeSet<>();
        entries.forEach(entry -> numbers.add(entry.segment()));
        return numbers;
    }

    private FileChannel channel(int number) throws IOException {
        FileChannel open = channels.get(number);
        if (open == null) {
            open = PrivateFiles.open(folder.segment(number));
            channels.put(number, open);
        }
        return open;
    }

    private void force() throws IOException {
        for (FileChannel channel : channels.values()) channel.force(true);
    }

    @Override
    public void close() throws IOException {
        for (FileChannel channel : channels.values()) channel.close();
    }
}
