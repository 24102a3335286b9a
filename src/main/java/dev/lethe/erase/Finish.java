/*
 * The last part of an erasure, and what `lethe finish` repeats: no run of the lineage keeps the erased in its ledger or its
 * other files (Scrub). Every run that can be reached is cleaned, however often that has been tried; what cannot be is named in
 * journal/pending.json with the reason. When nothing is left the account tells it and pending.json goes.
 */
package dev.lethe.erase;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.engine.Work;
import dev.lethe.influence.FactorFit;
import dev.lethe.ledger.Destruction;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.results.Destroyed;
import dev.lethe.results.Erasure;
import dev.lethe.results.Trace;
import dev.lethe.run.Lineage;
import dev.lethe.run.PendingErasure;
import dev.lethe.run.PendingErasure.PendingErasureException;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunJson;
import dev.lethe.train.Replay;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;

final class Finish {
    private Finish() { }

    /** As {@link OpenRun#finish}. */
    static List<Erasure> of(Path path, List<Path> gone, List<Path> found) {
        return Work.shielded(() -> {
            found.forEach(moved -> locked(path, lineage -> lineage.noteMoved(moved)));
            gone.forEach(deleted -> locked(path, lineage -> lineage.noteGone(deleted)));
            List<Erasure> finished = new ArrayList<>();
            locked(path, lineage -> {
                for (RunFolder run : lineage.runs()) {
                    PendingErasure pending = PendingErasure.of(run);
                    if (pending != null) {
                        finished.add(complete(run, account(run), new Census.Search(Set.copyOf(pending.records()), List.of())));
                    }
                }
            });
            return finished;
        });
    }

    private static Erasure account(RunFolder run) {
        Erasure account = run.account();
        if (account == null) {
            throw new DamagedDataException(run + ": an erasure is pending and its account is gone, so nobody can tell what"
                    + " it was to destroy");
        }
        return account;
    }

    /** Hands out a lineage that nobody else writes into: it is read again once its runs are locked. */
    private static void locked(Path path, Consumer<Lineage> work) {
        Lineage before = Lineage.of(RunFolder.openAny(path));
        try (Lineage.Locks _ = before.lock()) {
            Lineage lineage = Lineage.of(RunFolder.openAny(path));
            if (!lineage.sameRuns(before)) {
                throw new BadInputException(path + ": another erasure has just come before this; ask again");
            }
            work.accept(lineage);
        }
    }

    /**
     * Destroys what {@code made}'s erasure owes. Needs the locks of the lineage.
     *
     * @param erasure returned with what was destroyed and what is left
     * @param search  the erased, to be looked for in the end
     * @throws PendingErasureException when something is left
     */
    static Erasure complete(RunFolder made, Erasure erasure, Census.Search search) {
        PendingErasure pending = PendingErasure.of(made);
        if (!made.erasedAmong(pending.records()).containsAll(pending.records())) {
            throw new DamagedDataException(PendingErasure.file(made.journal()) + ": names records that the account beside it does"
                    + " not, or the account's key is gone; nothing was destroyed");
        }
        return Io.disk(made + ": noting what was destroyed", () -> {
            Lineage.of(made).introduce();
            Lineage lineage = Lineage.of(made);
            Map<String, String> reasons = cleaned(lineage, pending);
            PendingErasure after = pending.with(place -> place.tried(reasons.containsKey(place.identity())
                    ? reasons.get(place.identity()) : gone(lineage, place) ? null : "it is not there"));
            if (!after.done()) {
                after.write(made.journal());
                throw new PendingErasureException(made, after);
            }
            List<Trace> left = Census.left(Census.of(made.root(), search));
            PrivateFiles.write(made.journal().resolve(RunFolder.ACCOUNT),
                    RunJson.pretty(made.account().withDestroyed(after.places(), left)));
            PrivateFiles.deleteTree(PendingErasure.file(made.journal()));
            PrivateFiles.syncFolder(made.journal());
            return erasure.withDestroyed(after.places(), left);
        });
    }

    /** Cleans every run that can be reached; gives each one's identity with the reason why it is not clean, null when it is. */
    private static Map<String, String> cleaned(Lineage lineage, PendingErasure pending) {
        Set<String> ids = Set.copyOf(pending.records());
        Set<RecordKey> keys = keys(ids);
        Map<String, String> reasons = new HashMap<>();
        for (RunFolder run : lineage.runs()) {
            String reason = "";
            try {
                if (run.hasLedger()) {
                    Destruction.destroy(run.ledger(), keys);
                }
                Scrub.run(RunFolder.openAny(run.root()), ids);
            } catch (RuntimeException e) { // one that fails must not keep the others
                reason = Reason.of(e);
            }
            reasons.merge(run.identity(), reason, (a, b) -> a.isEmpty() ? b : a); // a copy of a run is one, too
        }
        reasons.replaceAll((identity, reason) -> reason.isEmpty() ? null : reason);
        return reasons;
    }

    /** Whether a person has said that a place was deleted. */
    private static boolean gone(Lineage lineage, Destroyed place) {
        return lineage.runs().stream().flatMap(run -> run.info().kin().stream())
                .anyMatch(kin -> kin.state() == RunInfo.Kin.State.GONE && kin.identity().equals(place.identity()));
    }

    static Set<RecordKey> keys(Collection<String> ids) {
        return new HashSet<>(ids).stream().map(RecordKey::of).collect(Collectors.toSet());
    }

    /*
     * Cleans a complete run of records that are being erased, as far as files can be cleaned: its row of records.jsonl, factors
     * that were fitted to the record, checkpoints to replay from that have seen it, and reports, which quote it. All is overwritten
     * before it goes. Leaves out the ledger (Destruction.destroy) and what cannot be cleaned: the run's model, which learned the
     * record; see Census.
     */
    /** Takes erased records out of a run's own files. Stateless; the caller holds the run against other writers. */
    static final class Scrub {
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
}
