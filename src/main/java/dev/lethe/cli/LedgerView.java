package dev.lethe.cli;

import dev.lethe.console.Sizes;
import dev.lethe.console.Terminal;
import dev.lethe.engine.CapturedEntries;
import dev.lethe.engine.EntryInfo;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.LedgerCheck;
import dev.lethe.ledger.LedgerManifest;
import dev.lethe.shape.Dtype;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;

/**
 * What inspect says of a ledger.
 *
 * @param bytes           of all segments
 * @param reclaimable     of them, the room of destroyed entries that compact gives back
 * @param meanEntryBytes  of live payloads
 * @param droppedShare    mean share of the head's squared errors that top-k dropped
 * @param truncatedShare  mean share of the linear sites' squared norm that the rank dropped
 * @param uncommitted     bytes that an interrupted writer left behind, unused
 */
record LedgerView(List<String> sites, int headTopK, Dtype dtype, int rank, boolean sealed, int entries, int destroyed,
                  long bytes, long reclaimable, long meanEntryBytes, double droppedShare, double truncatedShare,
                  long uncommitted, List<Epoch> epochs) {
    private static final int SAMPLE = 1000;

    /** @param bytes of live payloads */
    record Epoch(int epoch, int entries, int destroyed, long bytes) {}

    static LedgerView of(GradientLedger ledger, LedgerCheck check) {
        LedgerManifest manifest = ledger.manifest();
        TreeMap<Integer, Epoch> epochs = new TreeMap<>();
        long reclaimable = 0;
        List<Entry> live = new ArrayList<>();
        for (Entry entry : ledger.entries()) {
            boolean gone = entry.destroyed();
            epochs.merge(entry.header().epoch(), new Epoch(entry.header().epoch(), 1, gone ? 1 : 0, gone ? 0 : entry.length()),
                    (a, b) -> new Epoch(a.epoch, a.entries + b.entries, a.destroyed + b.destroyed, a.bytes + b.bytes));
            reclaimable += gone ? entry.length() : 0;
            if (!gone) {
                live.add(entry);
            }
        }
        double dropped = 0;
        double truncated = 0;
        int sampled = check.whole() ? Math.min(SAMPLE, live.size()) : 0;
        for (int i = 0; i < sampled; i++) {
            EntryInfo info = CapturedEntries.describe(ledger.payload(live.get((int) ((long) i * live.size() / sampled))));
            dropped += info.droppedShare() / sampled;
            truncated += info.truncatedShare() / sampled;
        }
        long liveBytes = live.stream().mapToLong(Entry::length).sum();
        return new LedgerView(manifest.sites(), manifest.headTopK(), manifest.dtype(), manifest.rank(), manifest.sealed(),
                check.entries(), check.destroyed(), check.bytes(), reclaimable, live.isEmpty() ? 0 : liveBytes / live.size(),
                dropped, truncated, check.tail().map(LedgerCheck.Tail::bytes).orElse(0L), List.copyOf(epochs.values()));
    }

    void print(Terminal terminal) {
        terminal.print("ledger   %,d entries (%,d destroyed), %s, %s a record%s", entries, destroyed, Sizes.of(bytes),
                Sizes.of(meanEntryBytes), reclaimable == 0 ? "" : ", " + Sizes.of(reclaimable) + " to give back (lethe compact)");
        terminal.print("codec    %s, head %s, %s%s", dtype.toString().toLowerCase(Locale.ROOT),
                headTopK == 0 ? "exact" : String.format(Locale.ROOT, "top %d (%.2g of its squared errors dropped)", headTopK,
                        droppedShare),
                rank == 0 ? "a row a token" : String.format(Locale.ROOT, "rank %d (%.2g of the squared norm dropped)", rank,
                        truncatedShare),
                uncommitted == 0 ? "" : "; " + Sizes.of(uncommitted) + " of an interrupted write, unused");
        terminal.print("sites    %s", String.join(" ", sites));
        for (Epoch epoch : epochs) {
            terminal.print("epoch %-3d %,d entries, %s%s", epoch.epoch, epoch.entries, Sizes.of(epoch.bytes),
                    epoch.destroyed == 0 ? "" : String.format(Locale.ROOT, ", %,d destroyed", epoch.destroyed));
        }
    }
}
