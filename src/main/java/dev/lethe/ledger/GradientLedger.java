package dev.lethe.ledger;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Reason;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.MappedFile;
import dev.lethe.engine.Work;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.LedgerFolder.LedgerIoEvent;
import dev.lethe.shape.SiteSet;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Set;

/**
 * Reads a ledger: the entries committed when it was opened, whether its writer closed it, was killed, or is still at
 * work. Payloads are mapped, not copied, and checked when first asked for. Safe for many threads; the payloads handed
 * out live until {@link #close}.
 */
public final class GradientLedger implements AutoCloseable {
    private static final long READ_AHEAD_BYTES = 1 << 16; // below, a system call costs more than it saves

    static final String IN_THE_CLEAR = "somebody put it there: it lies in the clear in a ledger that is under keys";

    /** Of folders that were written side by side: as one writer would have captured them. */
    private static final Comparator<Entry> CAPTURED = Comparator.comparingInt((Entry entry) -> entry.header().epoch())
            .thenComparingLong(entry -> entry.header().step());

    /**
     * One of the ledger's folders, open.
     *
     * @param first number of its first segment among those of all folders
     * @param keys  null of one in the clear; read when first needed
     */
    private record OpenPart(LedgerParts.Part part, int first, LedgerKeys keys) {
        LedgerManifest.Keys under() {
            return part.manifest().keys();
        }
    }

    private final Path path;
    private final LedgerManifest manifest;
    private final List<OpenPart> parts = new ArrayList<>();
    private final List<Entry> entries; // as captured
    private final List<Entry> placed;  // the same by place
    private final boolean[] checked; // of placed: payload verified; a lost race checks twice
    private final List<LedgerCheck.Tail> tails;
    private final List<MappedFile> segments = new ArrayList<>(); // of all parts, each up to its last committed entry
    private final List<Payloads> kept = new ArrayList<>(); // guarded by itself

    private GradientLedger(LedgerFolder folder, LedgerParts all, List<LedgerContents> contents) {
        path = folder.path();
        manifest = all.manifest();
        List<Entry> concatenated = new ArrayList<>();
        List<LedgerCheck.Tail> left = new ArrayList<>();
        int first = 0;
        for (int i = 0; i < contents.size(); i++) {
            LedgerParts.Part part = all.parts().get(i);
            LedgerManifest.Keys under = part.manifest().keys();
            parts.add(new OpenPart(part, first, under == null ? null : LedgerKeys.of(under)));
            for (Entry entry : contents.get(i).entries()) concatenated.add(entry.inSegment(first + entry.segment()));
            contents.get(i).tail().ifPresent(tail -> left.add(tail.in(part)));
            first += contents.get(i).numbers().size();
        }
        placed = List.copyOf(concatenated);
        if (parts.size() > 1) concatenated.sort(CAPTURED);
        entries = parts.size() > 1 ? List.copyOf(concatenated) : placed;
        tails = List.copyOf(left);
        checked = new boolean[entries.size()];
    }

    /**
     * Opens a ledger for reading, with all its folders. With an index this reads one small file a folder; without, the headers of
     * all entries.
     *
     * @throws BadInputException when there is no ledger, another version wrote it, or one of its folders is a link or of another ledger
     * @throws DamagedDataException when a manifest, a segment's header or an entry's header does not match its
     *     checksum, naming segment and offset, or a folder is missing; {@link #check} lists every such place instead
     */
    public static GradientLedger open(Path directory) {
        return Work.run("ledger", () -> openAsIs(directory)); // an interrupt of the caller would close the channels
    }

    private static GradientLedger openAsIs(Path directory) {
        LedgerFolder folder = new LedgerFolder(directory);
        for (int attempt = 1; ; attempt++) {
            LedgerParts parts = LedgerParts.of(folder);
            List<Long> before = new ArrayList<>();
            for (LedgerFolder one : parts.folders()) before.addAll(changes(one));
            GradientLedger ledger = openOnce(folder, parts);
            if (attempt == 3 || ledger.mappedAs(before)) return ledger; // else a compaction moved entries meanwhile
            ledger.close();
        }
    }

    private static GradientLedger openOnce(LedgerFolder folder, LedgerParts parts) {
        LedgerIoEvent event = LedgerIoEvent.start("open");
        List<LedgerContents> contents = parts.folders().stream()
                .map(part -> LedgerContents.load(part, parts.manifest().identity()).requireWhole(part)).toList();
        GradientLedger ledger = new GradientLedger(folder, parts, contents);
        try {
            for (int p = 0; p < contents.size(); p++)
                for (int i = 0; i < contents.get(p).numbers().size(); i++)
                    ledger.segments.add(MappedFile.open(parts.folders().get(p).segment(contents.get(p).numbers().get(i)),
                            contents.get(p).ends().get(i)));
        } catch (RuntimeException e) {
            ledger.close();
            throw e;
        }
        event.finish(ledger.entries.size(), ledger.segments.stream().mapToLong(MappedFile::size).sum());
        return ledger;
    }

    /** The count of changes in each segment's header, -1 where there is none yet. */
    private static List<Long> changes(LedgerFolder folder) {
        List<Long> changes = new ArrayList<>();
        try (Arena own = Arena.ofConfined()) {
            MemorySegment header = own.allocate(SegmentLayout.SEGMENT_HEADER_BYTES, SegmentLayout.ALIGNMENT);
            for (int number : folder.segments())
                try (FileChannel channel = FileChannel.open(folder.segment(number), StandardOpenOption.READ)) {
                    int got = LedgerFolder.read(channel, header.asByteBuffer(), 0);
                    changes.add(changes(header.asSlice(0, got)));
                }
        } catch (IOException e) {
            throw new BadInputException("cannot read the ledger " + folder.path() + ": " + Reason.of(e, folder.path()));
        }
        return changes;
    }

    private static long changes(MemorySegment segment) {
        var header = segment.byteSize() < SegmentLayout.SEGMENT_HEADER_BYTES ? null
                : SegmentLayout.readSegmentHeader(segment);
        return header == null ? -1 : header.changes();
    }

    private boolean mappedAs(List<Long> before) {
        for (int i = 0; i < Math.min(before.size(), segments.size()); i++)
            if (changes(segments.get(i).slice(0, segments.get(i).size())) != before.get(i)) return false;
        return true;
    }

    public LedgerManifest manifest() {
        return manifest;
    }

    /**
     * The format in which native code reads the payloads, for a model of the manifest's shape.
     *
     * @throws BadInputException when the model has another shape
     */
    public EntryFormat format(LanguageModel model) {
        if (!model.shape().equals(manifest.shape()))
            throw new BadInputException("ledger " + path + " was captured from a model of shape "
                    + manifest.shape() + ", not " + model.shape());
        return new EntryFormat(SiteSet.of(model.sites(), manifest.sites()), manifest.headTopK(), manifest.dtype(),
                manifest.rank());
    }

    /**
     * Refuses a ledger that another training wrote.
     *
     * @param modelHash of the model that the training began with
     * @throws BadInputException when the ledger's manifest names another
     */
    public void requireModel(String modelHash) {
        if (!manifest.modelHash().equals(modelHash))
            throw new BadInputException("ledger " + path + " was captured in the training of another model (it "
                    + "began with weights " + manifest.modelHash() + ", this one with " + modelHash
                    + "): its gradients say nothing about this one. Put the run's own ledger back");
    }

    /**
     * All committed entries in the order they were captured, destroyed ones included: of several folders by epoch and step, and within a
     * step by folder, as the manifest names them.
     */
    public List<Entry> entries() {
        return entries;
    }

    /** Those of them that lie in the ledger's own folder, and not in one that it names. */
    public List<Entry> ownEntries() {
        return parts.size() == 1 ? entries : placed.stream().filter(entry -> entry.segment() < parts.get(1).first()).toList();
    }

    /** The entries of one epoch, in order, destroyed ones included. */
    public List<Entry> entries(int epoch) {
        return entries.stream().filter(entry -> entry.header().epoch() == epoch).toList();
    }

    /** The last epoch that has entries, counted from 0; 0 when there are none. */
    public int lastEpoch() {
        return entries.stream().mapToInt(entry -> entry.header().epoch()).max().orElse(0);
    }

    /** Names of the folders in the ledger's that hold entries too, in the order of entries of one step. */
    public List<String> folders() {
        return manifest.folders();
    }

    /** What interrupted writers left after the last committed entry of a folder; it is not used. */
    public List<LedgerCheck.Tail> tails() {
        return tails;
    }

    /**
     * The payload: read-only, 64-byte aligned, {@code entry.payloadBytes()} bytes, valid until close. The first call checks
     * header, marker and checksum, at the price of reading the payload once. One under a key is a copy that takes memory until
     * then: of more than a few ask {@link #payloads}.
     *
     * @throws DamagedDataException naming segment and offset when the bytes are not what was committed, or are cut off; when one
     *                              under a key was tampered with, or its key is not there
     * @throws BadInputException when the entry has been destroyed, or the ledger compacted or cut back since it was opened; when
     *                           the folder of its keys is not there or is another
     */
    public MemorySegment payload(Entry entry) {
        Objects.requireNonNull(entry, "entry");
        if (!entry.encrypted()) {
            requireWhole(List.of(entry));
            return read(entry, null);
        }
        Payloads one = payloads(List.of(entry));
        synchronized (kept) {
            kept.add(one);
        }
        return one.list().getFirst();
    }

    /** Payloads until they are closed; throws as {@link #payload}. */
    public Payloads payloads(List<Entry> some) {
        requireWhole(some);
        return Payloads.of(some, this::read);
    }

    /** Asks the file system once a segment, which for small entries takes longer than reading them. */
    private void requireWhole(List<Entry> some) {
        some.stream().mapToInt(Entry::segment).distinct().filter(segment -> segment < segments.size())
                .forEach(segment -> segments.get(segment).requireWhole());
    }

    /**
     * Brings the pages of entries of one segment into memory, at the disk's rate: in one piece where they lie close together, for one
     * after the other costs a system call an entry.
     *
     * @throws DamagedDataException as {@link #payload}
     */
    public void load(List<Entry> some) {
        if (some.isEmpty()) return;
        requireWhole(some);
        MappedFile segment = segments.get(some.getFirst().segment());
        long from = some.getFirst().offset();
        long to = some.getLast().offset() + SegmentLayout.frameBytes(some.getLast().length());
        if (to > segment.size()) return; // whoever reads them says so
        if (to - from <= 2 * some.stream().mapToLong(entry -> SegmentLayout.frameBytes(entry.length())).sum())
            segment.slice(from, to - from).load();
        else for (Entry entry : some) segment.slice(entry.offset(), entry.length()).load();
    }

    private MemorySegment read(Entry entry, MemorySegment room) {
        int ordinal = Collections.binarySearch(placed, entry, Entry.BY_PLACE);
        if (ordinal < 0 || !placed.get(ordinal).equals(entry))
            throw new IllegalArgumentException(entry + " is no entry of the ledger " + path);
        OpenPart part = part(entry);
        MappedFile segment = segments.get(entry.segment());
        long frameBytes = SegmentLayout.frameBytes(entry.length());
        if (entry.offset() + frameBytes > segment.size())
            throw damaged(entry, "the segment ends before the entry does");
        MemorySegment frame = segment.slice(entry.offset(), frameBytes);
        requireThere(entry, frame);
        if (!checked[ordinal]) {
            check(entry, part, frame);
            checked[ordinal] = true;
        }
        if (entry.encrypted()) {
            EntryCipher.decrypt(part.under(), part.keys, entry, frame, room).ifPresent(what -> {
                throw damaged(entry, what);
            });
            return room;
        }
        if (part.keys != null && part.under().all()) throw damaged(entry, IN_THE_CLEAR);
        return frame.asSlice(SegmentLayout.ENTRY_HEADER_BYTES, entry.length(), SegmentLayout.ALIGNMENT);
    }

    /**
     * To be asked when payloads have been used: another process may have destroyed, compacted or cut back meanwhile, and
     * then what was computed with them is void.
     *
     * @throws BadInputException as {@link #payload}
     */
    public void requireThere(List<Entry> used) {
        for (Entry entry : used)
            requireThere(entry, segments.get(entry.segment()).slice(entry.offset(), SegmentLayout.ENTRY_HEADER_BYTES));
    }

    private void requireThere(Entry entry, MemorySegment frame) {
        if (entry.destroyed() || SegmentLayout.state(frame) == SegmentLayout.DESTROYED)
            throw new BadInputException(place(entry) + ", epoch " + entry.header().epoch()
                    + ": the entry has been destroyed");
        if (SegmentLayout.isZero(segments.get(entry.segment()).slice(0, SegmentLayout.SEGMENT_HEADER_BYTES)))
            throw new BadInputException(place(entry) + ": the ledger was compacted or cut back since it was opened;"
                    + " open it again");
    }

    private void check(Entry entry, OpenPart part, MemorySegment frame) {
        LedgerIoEvent event = LedgerIoEvent.start("check");
        if (frame.byteSize() >= READ_AHEAD_BYTES) frame.load(); // at the disk's rate; page faults in order reach half of it
        int number = entry.segment() - part.first;
        if (!entry.inSegment(number).equals(SegmentLayout.readEntryHeader(frame, number, entry.offset())))
            throw damaged(entry, "the entry's header does not match its checksum");
        long body = SegmentLayout.padded(entry.length());
        MemorySegment marker = frame.asSlice(SegmentLayout.ENTRY_HEADER_BYTES + body);
        if (!SegmentLayout.commits(marker, entry.offset(), frame))
            throw damaged(entry, "the entry's commit marker does not match its checksum");
        int crc = SegmentLayout.crc(frame.asSlice(SegmentLayout.ENTRY_HEADER_BYTES, body));
        if (crc != SegmentLayout.payloadCrc(marker)) throw damaged(entry, "the payload does not match its checksum");
        event.finish(1, body);
    }

    /** The folder in which an entry lies. */
    private OpenPart part(Entry entry) {
        int last = parts.size() - 1;
        while (parts.get(last).first > entry.segment()) last--; // an empty one begins where the next does
        return parts.get(last);
    }

    private String place(Entry entry) {
        OpenPart part = part(entry);
        return part.part.folder().segment(entry.segment() - part.first) + " at byte " + entry.offset();
    }

    private DamagedDataException damaged(Entry entry, String what) {
        return new DamagedDataException(place(entry) + ": " + what + " (record " + entry.header().key() + ", epoch "
                + entry.header().epoch() + "); the entry is not used");
    }

    /** As {@link #check(Path)}, of this ledger as it is on the disk now. */
    public LedgerCheck verify() {
        return check(path);
    }

    /**
     * Reads every byte of a ledger and lists what is broken.
     *
     * @throws BadInputException when there is no ledger or another version wrote it
     * @throws DamagedDataException when the manifest itself is damaged
     */
    public static LedgerCheck check(Path directory) {
        return Work.run("ledger", () -> LedgerCheck.of(LedgerParts.of(new LedgerFolder(directory))));
    }

    /** Bytes of all segments on disk. */
    public long bytes() {
        return parts.stream().mapToLong(part -> part.part.folder().bytes()).sum();
    }

    /** As {@link LedgerCopy#link}. */
    public static void link(Path from, Path to) {
        LedgerCopy.link(new LedgerFolder(from), new LedgerFolder(to));
    }

    /** As {@link LedgerCopy#without}. */
    public static void copyWithout(Path from, Path to, Set<RecordKey> keys) {
        LedgerCopy.without(from, to, keys);
    }

    /** As {@link LedgerCopy#first}. */
    public static void copyFirst(Path from, Path to, int entries) {
        LedgerCopy.first(from, to, entries);
    }

    /** Unmaps the segments when no native call reads them any more; payloads handed out become unusable. Idempotent. */
    @Override
    public void close() {
        synchronized (kept) {
            kept.forEach(Payloads::close);
            kept.clear();
        }
        segments.forEach(MappedFile::close);
    }
}
