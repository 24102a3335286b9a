package dev.lethe.ledger;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.ledger.LedgerFolder.LedgerIoEvent;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Set;

/** Second ledgers made from a first one. */
final class LedgerCopy {
    private LedgerCopy() {}

    /**
     * A sealed ledger in `to` with the same entries. Segments are hard links, which cost nothing; where links are not
     * to be had, and for the last segment of a ledger that may still grow, bytes are copied. Linked ledgers share what
     * is destroyed: an entry destroyed in one is destroyed in both, as the right to be forgotten asks.
     */
    static void link(LedgerFolder from, LedgerFolder to) {
        LedgerIoEvent event = LedgerIoEvent.start("link");
        LedgerParts parts = LedgerParts.of(from);
        requireFree(to);
        int entries = 0;
        for (LedgerParts.Part part : parts.parts().reversed()) // the manifest that names the others comes last
            entries += link(part, part.name().isEmpty() ? to : new LedgerFolder(to.path().resolve(part.name())));
        event.finish(entries, parts.bytes());
    }

    /** Gives the entries. */
    private static int link(LedgerParts.Part part, LedgerFolder to) {
        LedgerFolder from = part.folder();
        LedgerManifest manifest = part.manifest();
        if (!part.name().isEmpty()) requireFree(to);
        LedgerContents contents = LedgerContents.load(from, manifest.identity()).requireWhole(from);
        try (LedgerFolder.WriterLock lock = LedgerFolder.WriterLock.acquire(to, "linking " + from.path())) {
            for (int i = 0; i < contents.numbers().size(); i++) {
                int number = contents.numbers().get(i);
                boolean grows = !manifest.sealed() && i == contents.numbers().size() - 1;
                if (grows || !linked(from.segment(number), to.segment(number)))
                    copy(from.segment(number), to.segment(number), contents.ends().get(i));
            }
            to.sync();
            manifest.withSealed(true).write(to);
            LedgerIndex.rewrite(to, manifest.identity(), contents.entries());
        }
        return contents.entries().size();
    }

    private static boolean linked(Path from, Path to) {
        try {
            Files.createLink(to, from);
            return true;
        } catch (IOException | UnsupportedOperationException e) {
            return false; // another file system, or one without links
        }
    }

    private static void copy(Path from, Path to, long bytes) {
        try (FileChannel source = FileChannel.open(from, StandardOpenOption.READ);
                FileChannel target = PrivateFiles.create(to)) {
            LedgerFolder.copy(source, 0, bytes, target);
            target.force(true);
        } catch (IOException e) {
            throw new BadInputException("cannot copy " + from + " to " + to + ": " + Reason.of(e));
        }
    }

    /**
     * A ledger in `to` with the entries of all other records, byte for byte (under their keys written anew), sealed, in one folder as
     * they were captured; `from` is left as it is. The records left out, and those destroyed in `from`, keep an empty, destroyed
     * entry that shows they were there.
     */
    static void without(Path from, Path to, Set<Entry.RecordKey> keys) {
        LedgerIoEvent event = LedgerIoEvent.start("copy");
        try (GradientLedger source = GradientLedger.open(from)) {
            List<Entry> entries = source.entries();
            try (LedgerWriter writer = LedgerWriter.create(to, source.manifest().withSealed(false).withFolders(List.of()))) {
                for (Entry entry : entries) {
                    boolean left = entry.destroyed() || keys.contains(entry.header().key());
                    if (left) writer.reserveDestroyed(entry.header(), 0);
                    else copy(source, entry, writer);
                    writer.commit();
                }
                writer.seal();
            }
        }
        event.finish(0, new LedgerFolder(to).bytes());
    }

    /**
     * A ledger in `to` with the first `entries` entries, byte for byte, in one folder, to be gone on with; `from` is left as it is.
     *
     * @throws DamagedDataException when `from` has fewer; nothing is written then
     */
    static void first(Path from, Path to, int entries) {
        try (GradientLedger source = GradientLedger.open(from)) {
            List<Entry> all = source.entries();
            if (all.size() < entries)
                throw new DamagedDataException("ledger " + from + " has " + all.size() + " entries, the first " + entries
                        + " are wanted; bring the whole ledger back from a copy");
            try (LedgerWriter writer = LedgerWriter.create(to, source.manifest().withSealed(false).withFolders(List.of()))) {
                for (Entry entry : all.subList(0, entries)) {
                    if (entry.destroyed()) writer.reserveDestroyed(entry.header(), 0);
                    else copy(source, entry, writer);
                    writer.commit();
                }
                writer.sync();
            }
        }
    }

    private static void copy(GradientLedger source, Entry entry, LedgerWriter writer) {
        try (Payloads one = source.payloads(List.of(entry))) {
            writer.reserve(entry.header(), entry.payloadBytes()).copyFrom(one.list().getFirst());
        }
    }

    private static void requireFree(LedgerFolder to) {
        Io.input("cannot make the ledger folder " + to.path(), () -> PrivateFiles.makeFolder(to.path()));
        if (Files.exists(to.manifest()) || !to.segments().isEmpty())
            throw new BadInputException(to.path() + " holds a ledger already; name another folder");
    }
}
