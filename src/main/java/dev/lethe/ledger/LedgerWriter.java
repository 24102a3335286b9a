package dev.lethe.ledger;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.FileSpace;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.ledger.Entry.EntryHeader;
import dev.lethe.ledger.GrowingSegment.PendingEntry;
import dev.lethe.ledger.LedgerFolder.LedgerIoEvent;
import dev.lethe.ledger.LedgerFolder.WriterLock;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Future;
import java.util.stream.Stream;

/**
 * Appends entries to a ledger. Reserve room for the records of a batch, let native code fill it, commit.
 *
 * <pre>{@code
 * List<MemorySegment> room = headers.stream().map(h -> writer.reserve(h, bytes)).toList();
 * model.gradient(batch, false, new Capture(format, room));
 * writer.commit();
 * }</pre>
 *
 * An entry counts from its commit on: a killed process loses only what was reserved and not committed. A power cut may
 * also take what was committed since the last {@link #sync}, and of that up to one whole full segment before the open one,
 * in the middle of what is left: {@link #append} calls that damaged, and only {@link #resume} from a checkpoint cuts it.
 * One writer a ledger, in any process; readers may come and go. Confined to the thread that opened it.
 */
public final class LedgerWriter implements AutoCloseable {
    /** A segment takes no further entry beyond this size, but a larger entry has its own; tests ask for smaller ones. */
    static final long SEGMENT_BYTES = 1L << 30;
    static final int ALL = -1;

    private final LedgerFolder folder;
    private final long segmentBytes;
    private final GrowingSegment.Allocation allocation;
    private final WriterLock lock;
    private final int identity;
    private LedgerManifest manifest;
    private final List<Entry> entries = new ArrayList<>();
    private final List<PendingEntry> pending = new ArrayList<>();
    private final List<GrowingSegment> open = new ArrayList<>(); // ascending; all but the last await a commit
    private final WriterThreads threads = new WriterThreads();
    private final WriterThreads.FirstFailure broken;
    private final Sealer sealer; // null of a ledger in the clear
    private int nextNumber;
    private long lastReservedStep;
    private boolean closed;

    private LedgerWriter(LedgerFolder folder, LedgerManifest manifest, long segmentBytes,
            GrowingSegment.Allocation allocation, WriterLock lock) {
        this.folder = folder;
        this.manifest = manifest;
        this.segmentBytes = segmentBytes;
        this.allocation = allocation;
        this.lock = lock;
        identity = manifest.identity();
        sealer = manifest.keys() == null ? null : new Sealer(manifest.keys());
        broken = new WriterThreads.FirstFailure("writing the ledger " + folder.path());
    }

    /**
     * Starts a ledger in a folder that is made if need be and holds none yet.
     *
     * @throws BadInputException when it holds one, cannot be written, or another writer is at work there
     */
    public static LedgerWriter create(Path directory, LedgerManifest manifest) {
        return create(directory, manifest, SEGMENT_BYTES);
    }

    /** As the other, with segments of this size. */
    public static LedgerWriter create(Path directory, LedgerManifest manifest, long segmentBytes) {
        return create(directory, manifest, segmentBytes, FileSpace::allocate);
    }

    static LedgerWriter create(Path directory, LedgerManifest manifest, long segmentBytes, GrowingSegment.Allocation allocation) {
        LedgerFolder folder = new LedgerFolder(directory);
        Io.input("cannot make the ledger folder " + directory, () -> PrivateFiles.makeFolder(directory));
        WriterLock lock = WriterLock.acquire(folder, "capturing");
        try {
            if (Files.exists(folder.manifest()) || !folder.segments().isEmpty())
                throw new BadInputException(directory + " holds a ledger already; resume it, or name another folder");
            manifest.write(folder);
            return new LedgerWriter(folder, manifest, segmentBytes, allocation, lock);
        } catch (RuntimeException e) {
            lock.close();
            throw e;
        }
    }

    /**
     * Goes on with a ledger, after a clean close or after a kill; a torn tail is dropped, and so are entries at the
     * very end whose payload did not reach the disk (power cut).
     *
     * @throws BadInputException when there is none, it is sealed, or another writer is at work there
     * @throws DamagedDataException when it is broken in the middle
     */
    public static LedgerWriter append(Path directory) {
        return append(directory, SEGMENT_BYTES, FileSpace::allocate, ALL);
    }

    /**
     * Goes on behind the first {@code entries} entries, which were on the disk by {@link #sync}, as when training resumes
     * from a checkpoint. Whatever lies behind them, whole, torn or in the wrong order after a power cut, is cut off.
     *
     * @throws BadInputException as {@link #append}
     * @throws DamagedDataException when not all of them are there and whole
     */
    public static LedgerWriter resume(Path directory, int entries) {
        return append(directory, SEGMENT_BYTES, FileSpace::allocate, entries);
    }

    /** With segments of this size, behind so many entries, {@link #ALL} or as many as counted. */
    static LedgerWriter append(Path directory, long segmentBytes, GrowingSegment.Allocation allocation, int entries) {
        LedgerFolder folder = new LedgerFolder(directory);
        LedgerManifest manifest = LedgerManifest.read(folder);
        if (manifest.sealed())
            throw new BadInputException("ledger " + directory + " is sealed: nothing can be appended");
        if (!manifest.folders().isEmpty())
            throw new BadInputException("ledger " + directory + " lies in several folders: go on with one of " + manifest.folders()
                    + " in it, or name a new one");
        WriterLock lock = WriterLock.acquire(folder, "capturing");
        try {
            LedgerWriter writer = new LedgerWriter(folder, manifest, segmentBytes, allocation, lock);
            writer.recover(entries);
            return writer;
        } catch (RuntimeException e) {
            lock.close();
            throw e;
        }
    }

    /** Names of the folders that a ledger lies in beside its own. @throws BadInputException when there is none */
    public static List<String> folders(Path directory) {
        return LedgerManifest.read(new LedgerFolder(directory)).folders();
    }

    /**
     * Makes folders of a ledger's folder part of it, behind those that are already; each is then to be written as a ledger of its own
     * with the same manifest. Until all are, the ledger cannot be opened.
     *
     * @throws BadInputException as {@link #append}
     */
    public static void addFolders(Path directory, List<String> names) {
        LedgerFolder folder = new LedgerFolder(directory);
        LedgerManifest.read(folder);
        try (WriterLock lock = WriterLock.acquire(folder, "adding folders")) {
            LedgerManifest manifest = LedgerManifest.read(folder);
            manifest.withFolders(Stream.concat(manifest.folders().stream(), names.stream()).distinct().toList()).write(folder);
        }
    }

    private void recover(int count) {
        folder.deleteLeftovers();
        LedgerContents all = count == ALL ? LedgerContents.load(folder, identity) : LedgerContents.scan(folder, identity);
        LedgerContents contents = (count == ALL ? all : all.first(folder, count)).requireWhole(folder);
        entries.addAll(contents.entries());
        int unwritten = contents.indexed() ? 0 : contents.unwritten(folder);
        if (unwritten > 0 && count != ALL)
            throw new DamagedDataException("ledger " + folder.path() + ": the last " + unwritten + " entries before the"
                    + " checkpoint do not match their checksums; restore the ledger or train again");
        folder.delete(folder.index());
        if (!contents.indexed()) Destruction.finish(folder, entries);
        if (unwritten > 0)
            System.getLogger("dev.lethe.ledger").log(System.Logger.Level.WARNING,
                    "ledger {0}: the last {1} entries did not reach the disk whole and are dropped", folder.path(),
                    unwritten);
        keepUpTo(entries.size() - unwritten, all.entries().size() > entries.size() - unwritten);
    }

    /** Cuts the files after the first `keep` entries, a copy of the last where that cuts entries, and opens it for more. */
    private void keepUpTo(int keep, boolean cutsEntries) {
        entries.subList(keep, entries.size()).clear();
        int last = keep == 0 ? -1 : entries.getLast().segment();
        long end = keep == 0 ? 0 : entries.getLast().offset() + SegmentLayout.frameBytes(entries.getLast().length());
        for (int number : folder.segments().reversed()) if (number > last) folder.delete(folder.segment(number));
        nextNumber = last + 1;
        if (last >= 0 && cutsEntries) folder.cut(folder.segment(last), end);
        if (last >= 0) open.add(GrowingSegment.resume(folder, last, end, allocation));
        lastReservedStep = keep == 0 ? 0 : entries.getLast().header().step();
    }

    public LedgerManifest manifest() {
        return manifest;
    }

    /** Entries committed so far, destroyed ones included. */
    public int size() {
        return entries.size();
    }

    /** Step of the last committed entry, -1 when there is none. */
    public long lastStep() {
        return entries.isEmpty() ? -1 : entries.getLast().header().step();
    }

    /**
     * Room for one entry: a zeroed or reused slice of the mapped segment, 64-byte aligned, `payloadBytes` long, valid
     * until {@link #commit} or {@link #discard}. Disk blocks stand behind it. Under keys it is memory beside the file.
     *
     * @throws BadInputException when the disk has no room; earlier entries and reservations stay as they are
     * @throws IllegalArgumentException when the header's step lies before the last one's
     */
    public MemorySegment reserve(EntryHeader header, long payloadBytes) {
        if (sealer != null) {
            PendingEntry next = take(header, Sealer.storedBytes(payloadBytes), true);
            MemorySegment clear = sealer.room(payloadBytes);
            pending.add(next.filledFrom(clear));
            return clear;
        }
        return room(header, payloadBytes, false)
                .asSlice(SegmentLayout.ENTRY_HEADER_BYTES, payloadBytes, SegmentLayout.ALIGNMENT);
    }

    /** An entry that is destroyed from the start: shows that the record was there. */
    void reserveDestroyed(EntryHeader header, long payloadBytes) {
        room(header, payloadBytes, true);
    }

    private MemorySegment room(EntryHeader header, long payloadBytes, boolean destroyed) {
        GrowingSegment segment = segmentFor(header, payloadBytes);
        long offset = segment.reservedEnd();
        MemorySegment frame = segment.reserve(SegmentLayout.frameBytes(payloadBytes), segmentBytes);
        Entry entry = new Entry(header, segment.number(), offset, payloadBytes, false, destroyed);
        pending.add(PendingEntry.room(segment, entry, frame));
        lastReservedStep = header.step();
        return frame;
    }

    /**
     * Writes entries whose payloads are there already, in memory that any thread may read until this returns; they count
     * from the next {@link #commit} on. Checksums are computed meanwhile.
     *
     * @throws BadInputException when the disk has no room; then all that awaited the next commit is discarded
     * @throws IllegalArgumentException as {@link #reserve}, and with the same consequence
     */
    public void write(List<EntryHeader> headers, List<MemorySegment> payloads) {
        requireOpen();
        if (headers.size() != payloads.size())
            throw new IllegalArgumentException(headers.size() + " headers for " + payloads.size() + " payloads");
        if (sealer != null) {
            discardUnless(() -> writeSealed(headers, payloads));
            return;
        }
        List<Future<Integer>> sums = new ArrayList<>();
        discardUnless(() -> writeClear(headers, payloads, sums));
    }

    private void writeClear(List<EntryHeader> headers, List<MemorySegment> payloads, List<Future<Integer>> sums) {
        try (Arena scratch = Arena.ofConfined()) {
            for (MemorySegment payload : payloads) sums.add(threads.checksum(payload));
            MemorySegment head = scratch.allocate(SegmentLayout.ENTRY_HEADER_BYTES, SegmentLayout.ALIGNMENT);
            for (int i = 0; i < payloads.size(); i++) write(headers.get(i), payloads.get(i), sums.get(i), head);
            sums.forEach(WriterThreads::await);
        } finally {
            sums.forEach(WriterThreads::settle); // the payloads are read no more, whatever failed
        }
    }

    private void writeSealed(List<EntryHeader> headers, List<MemorySegment> payloads) {
        int first = pending.size();
        for (int i = 0; i < payloads.size(); i++)
            pending.add(take(headers.get(i), Sealer.storedBytes(payloads.get(i).byteSize()), true).filledFrom(payloads.get(i)));
        seal(pending.subList(first, pending.size()));
    }

    /** Puts the ciphertext of those that are filled from memory beside the file into it. */
    private void seal(List<PendingEntry> some) {
        sealer.prepare(some.stream().filter(next -> next.clear() != null).map(PendingEntry::entry));
        some.replaceAll(next -> next.clear() == null ? next : next.sealedBy(sealer));
    }

    /** The next place in the files, without a word there yet. */
    private PendingEntry take(EntryHeader header, long storedBytes, boolean encrypted) {
        GrowingSegment segment = segmentFor(header, storedBytes);
        Entry entry = new Entry(header, segment.number(), segment.reservedEnd(), storedBytes, encrypted, false);
        segment.take(SegmentLayout.frameBytes(storedBytes), segmentBytes);
        lastReservedStep = header.step();
        return PendingEntry.written(segment, entry, 0, null);
    }

    private void discardUnless(Runnable done) {
        try {
            done.run();
        } catch (Throwable e) {
            try {
                discard();
            } catch (Throwable worse) {
                e.addSuppressed(worse);
            }
            throw e;
        }
    }

    private void write(EntryHeader header, MemorySegment payload, Future<Integer> checksum, MemorySegment head) {
        PendingEntry next = take(header, payload.byteSize(), false);
        Entry entry = next.entry();
        SegmentLayout.writeEntryHeader(head, entry);
        next.segment().write(entry.offset(), head);
        next.segment().write(entry.offset() + SegmentLayout.ENTRY_HEADER_BYTES, payload);
        pending.add(PendingEntry.written(next.segment(), entry, SegmentLayout.headerCrc(head), checksum));
    }

    /** The segment that takes such an entry next. */
    private GrowingSegment segmentFor(EntryHeader header, long payloadBytes) {
        requireOpen();
        Objects.requireNonNull(header, "header");
        if (payloadBytes < 0)
            throw new IllegalArgumentException("payload is " + payloadBytes + " bytes, must be 0 or more");
        if (header.step() < lastReservedStep)
            throw new IllegalArgumentException("step " + header.step() + " lies before step " + lastReservedStep
                    + ", which is in the ledger already; truncateAfter drops later steps");
        if (open.isEmpty() || !open.getLast().takes(SegmentLayout.frameBytes(payloadBytes), segmentBytes)) {
            long firstEntry = entries.size() + pending.size();
            open.add(GrowingSegment.create(folder, nextNumber, identity, firstEntry, allocation));
            nextNumber++;
        }
        return open.getLast();
    }

    /** Makes everything reserved since the last commit part of the ledger, in the order it was reserved. */
    public void commit() {
        requireOpen();
        LedgerIoEvent event = LedgerIoEvent.start("commit");
        long bytes = 0;
        if (sealer != null) seal(pending);
        for (PendingEntry next : pending) {
            next.commit();
            bytes += SegmentLayout.frameBytes(next.entry().length());
        }
        pending.forEach(next -> entries.add(next.entry()));
        int committed = pending.size();
        forget();
        open.forEach(GrowingSegment::committed);
        while (open.size() > 1) {
            GrowingSegment full = open.removeFirst();
            broken.orKeep(() -> threads.close(full::close));
        }
        event.finish(committed, bytes);
    }

    /**
     * Gives back everything reserved since the last commit, as after a capture that failed.
     *
     * @throws BadInputException when the disk refuses; then the writer takes nothing more
     */
    public void discard() {
        requireOpen();
        broken.orKeep(this::giveBack);
    }

    /** Nothing awaits a commit any more. */
    private void forget() {
        pending.clear();
        if (sealer != null) sealer.wipe();
    }

    private void giveBack() {
        forget();
        open.forEach(GrowingSegment::discard);
        while (!open.isEmpty() && open.getLast().isEmpty()) { // its header counts entries that are not to be
            GrowingSegment empty = open.removeLast();
            empty.close();
            folder.delete(folder.segment(empty.number()));
            nextNumber = empty.number();
        }
        lastReservedStep = Math.max(0, lastStep());
    }

    /**
     * Waits until every committed entry is on the disk: from then on even a power cut cannot take it.
     *
     * @throws BadInputException when the disk refuses, or refused to close a full segment; then the writer takes nothing more
     */
    public void sync() {
        requireOpen();
        LedgerIoEvent event = LedgerIoEvent.start("sync");
        broken.orKeep(this::syncAll);
        event.finish(entries.size(), 0);
    }

    private void syncAll() {
        threads.awaitClosed();
        Io.input("cannot write the ledger " + folder.path() + " to disk", () -> {
            for (GrowingSegment segment : open) segment.sync();
        });
    }

    /**
     * Drops the entries of later steps than `step`, as when training resumes from a checkpoint. Readers opened before
     * must open again. Reservations not committed are discarded.
     */
    public void truncateAfter(long step) {
        requireOpen();
        discard();
        int keep = entries.size();
        while (keep > 0 && entries.get(keep - 1).header().step() > step) keep--;
        if (keep == entries.size()) return;
        int kept = keep;
        broken.orKeep(() -> {
            threads.awaitClosed();
            while (!open.isEmpty()) open.removeFirst().close();
            keepUpTo(kept, true);
        });
    }

    /** Closes the ledger for good: no writer opens it again. Destroying entries stays possible. */
    public void seal() {
        discard();
        sync();
        manifest = manifest.withSealed(true);
        manifest.write(folder);
        close();
    }

    /**
     * Discards what is not committed, syncs, trims the last segment and writes the index. Idempotent.
     *
     * @throws BadInputException when the disk refused, now or before; everything is closed then, and no index is written
     */
    @Override
    public void close() {
        if (closed) return;
        closed = true;
        try (lock; threads; sealer) {
            pending.clear();
            broken.attempt(threads::awaitClosed);
            while (!open.isEmpty()) {
                broken.attempt(open.removeFirst()::close);
            }
            broken.requireNone();
            LedgerIndex.rewrite(folder, identity, entries);
        }
    }

    private void requireOpen() {
        if (closed) throw new IllegalStateException("the ledger writer of " + folder.path() + " is closed");
        broken.requireNone();
    }
}
