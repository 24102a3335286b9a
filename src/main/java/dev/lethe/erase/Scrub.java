/*
 * Cleans a complete run of records that are being erased, as far as files can be cleaned: its row of records.jsonl, factors
 * that were fitted to the record, checkpoints to replay from that have seen it, and reports, which quote it. All is overwritten
 * before it goes. Leaves out the ledger (Destruction.destroy) and what cannot be cleaned: the run's model, which learned the
 * record; see Census.
 */
package dev.lethe.erase;

import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.influence.FactorFit;
import dev.lethe.ledger.Destruction;
import dev.lethe.run.RunFolder;
import dev.lethe.train.Replay;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Takes erased records out of a run's own files. Stateless; the caller holds the run against other writers. */
final class Scrub {
    /** What was done to one file or folder, as a sentence without a subject. */
    record Done(Path path, String what) { }

    private Scrub() { }

    /**
     * Cleans the run. A kill in between is made good by a repetition; one that finds nothing does nothing. Factors are fitted
     * anew by the next score that needs them, a report by {@code lethe report}.
     *
     * @param ids of the records, whether the run knows them or not
     * @return what was done
     */
    static List<Done> run(RunFolder run, Set<String> ids) {
        List<Done> done = new ArrayList<>();
        Path records = run.root().resolve("records.jsonl");
        remove(FactorFit.file(run.root()).getParent(), "removed, fitted anew when needed", done);
        remove(run.report(), "removed, written anew on request", done);
        clearLeftovers(run.root());
        int rows = run.drop(ids);
        int checkpoints = Replay.scrub(RunFolder.openAny(run.root()));
        if (checkpoints > 0) {
            done.add(new Done(run.root().resolve(Replay.FOLDER), checkpoints + (checkpoints == 1 ? " checkpoint" : " checkpoints")
                    + " that had seen the records removed"));
        }
        if (rows > 0) {
            done.add(new Done(records, rows + (rows == 1 ? " record" : " records") + " taken out"));
        }
        return done;
    }

    private static void clearLeftovers(Path root) {
        Io.disk(root + ": what a kill left cannot be removed", () -> {
            for (Path folder : List.of(root, root.resolve("journal"), root.resolve("model"))) {
                if (Files.isDirectory(folder)) {
                    PrivateFiles.deleteLeftovers(folder);
                }
            }
        });
    }

    private static void remove(Path path, String what, List<Done> done) {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        Io.disk(path + ": cannot be removed", () -> PrivateFiles.deleteTree(path));
        done.add(new Done(path, what));
    }
}
