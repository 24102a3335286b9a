/*
 * Where the entries of a training go: into the ledger's own folder when one process trains, into rank-NNNN in it when several do, or
 * did before. How many entries each folder has is what a checkpoint says and a resume cuts them back to, whatever ranks there
 * were and are. Leaves out how folders are read as one ledger, which is the ledger's.
 */
package dev.lethe.train;

import dev.lethe.ledger.LedgerKeys;
import dev.lethe.ledger.LedgerManifest;
import dev.lethe.ledger.LedgerWriter;
import dev.lethe.run.RunFolder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** The folders of one training's ledger, as one rank sees them. One thread, but for {@link #open}, which another may call first. */
final class RankLedgers {
    private final RunFolder run;
    private final Ranks ranks;
    private final long step;
    private final Counts before;
    private Integer own; // entries in the ledger's own folder once nothing is added there; rank 0's
    private List<String> folders; // empty: the ledger's own

    /**
     * Entries by folder.
     *
     * @param own   of the ledger's own folder; null when an earlier version made the checkpoint, which did not say
     * @param ranks of rank-0000 and on
     */
    record Counts(Integer own, List<Integer> ranks) {
        static final Counts NONE = new Counts(0, List.of());

        /** Null where they were not counted. */
        Integer of(int folder) {
            return folder < 0 ? own : folder < ranks.size() ? ranks.get(folder) : Integer.valueOf(0);
        }

        int all() {
            return own + ranks.stream().mapToInt(Integer::intValue).sum();
        }
    }

    /** @param step whose checkpoint the training goes on from, 0 at its start */
    RankLedgers(RunFolder run, Ranks ranks, long step) {
        this.run = run;
        this.ranks = ranks;
        this.step = step;
        Counts then = step == 0 ? Counts.NONE : TrainCheckpoint.entries(run, step);
        folders = isThere(-1) ? LedgerWriter.folders(run.ledger()) : List.of();
        before = folders.isEmpty() && then.own() != null ? new Counts(then.all(), List.of()) : then; // a replay's is one folder's copy
        own = before.own();
        ranks.meet(); // before rank 0 adds to them
    }

    private static String name(int rank) {
        return String.format(Locale.ROOT, "rank-%04d", rank);
    }

    /** @param folder a rank's, or -1: the ledger's own */
    private Path path(int folder) {
        return folder < 0 ? run.ledger() : run.ledger().resolve(name(folder));
    }

    private boolean isThere(int folder) {
        return Files.exists(path(folder).resolve("manifest.json"));
    }

    /** This rank's, made or cut back to the checkpoint; rank 0 does that to those that are nobody's too. */
    LedgerWriter open(LedgerManifest manifest) {
        if (ranks.alone() && folders.isEmpty()) {
            return open(-1, manifest);
        }
        if (ranks.leads()) {
            if (folders.isEmpty()) {
                try (LedgerWriter alone = open(-1, manifest)) {
                    own = alone.size();
                }
            }
            LedgerWriter.addFolders(run.ledger(), IntStream.range(0, ranks.size()).mapToObj(RankLedgers::name).toList());
            for (int folder = ranks.size(); folder < folders.size(); folder++) {
                open(folder, manifest).close();
            }
        }
        ranks.meet();
        folders = LedgerWriter.folders(run.ledger());
        return open(ranks.rank(), manifest);
    }

    private LedgerWriter open(int folder, LedgerManifest manifest) {
        if (!isThere(folder)) {
            LedgerKeys keys = LedgerCapture.keys(run.info().config(), run.root());
            return LedgerWriter.create(path(folder), keys == null ? manifest : manifest.under(keys));
        }
        Integer entries = before.of(folder);
        if (entries != null) {
            return LedgerWriter.resume(path(folder), entries);
        }
        LedgerWriter writer = LedgerWriter.append(path(folder));
        writer.truncateAfter(step);
        return writer;
    }

    /** What every folder has now, as rank 0 knows it. @param mine entries of this rank's, all synced */
    Counts counts(int mine) {
        if (folders.isEmpty()) {
            return new Counts(mine, List.of());
        }
        List<Integer> all = new ArrayList<>();
        double[][] now = ranks.exchange((double) mine);
        for (int folder = 0; folder < folders.size(); folder++) {
            all.add(folder < now.length ? Integer.valueOf((int) now[folder][0]) : before.of(folder));
        }
        return new Counts(own, all);
    }
}
