/*
 * The new run of an erasure, from its journal to its place. It grows in a folder beside its name, OUT.erasing, and appears
 * as OUT by one rename when model, ledger and account are whole; from then on Finish destroys what the lineage holds of the
 * erased. Locks on OUT.erasing and on every run of the lineage are held from before the first write to the end, so two requests
 * never mix. A kill before the rename leaves the source as it was (the next erasure to OUT removes what is left); a kill after
 * it leaves journal/pending.json, which `lethe finish` works off. Neither can be interrupted half-way.
 */
package dev.lethe.unlearn;

import dev.lethe.data.Record;
import dev.lethe.engine.BadInputException;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.PrivateFiles;
import dev.lethe.engine.Reason;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.RecordKey;
import dev.lethe.model.Checkpoint;
import dev.lethe.train.IdKey;
import dev.lethe.train.Lineage;
import dev.lethe.train.PendingErasure;
import dev.lethe.train.PendingErasureException;
import dev.lethe.train.RunFolder;
import dev.lethe.train.RunInfo;
import dev.lethe.train.RunInfo.Kin;
import dev.lethe.train.RunJson;
import dev.lethe.train.RunLock;
import dev.lethe.train.RunRecord;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

final class ErasedRun implements AutoCloseable {
    /** Marks a folder that an erasure grows in, and is locked by it. A run never has it. */
    private static final String MARK = "erasing.lock";

    private final RunFolder source;
    private final Path out; // null for a trial
    private final Path growing;
    private final RunLock own;
    private final Lineage lineage; // null for a trial
    private final Lineage.Locks locks;
    private final IdKey key = IdKey.random();
    private final Journal journal;
    private boolean intended; // the source knows of the new run, which has no name yet

    private ErasedRun(RunFolder source, Path out, Path growing, RunLock own, Lineage lineage, Lineage.Locks locks) {
        this.source = source;
        this.out = out;
        this.growing = growing;
        this.own = own;
        this.lineage = lineage;
        this.locks = locks;
        this.journal = new Journal(growing.resolve("journal"));
    }

    /**
     * Starts a new run; what a killed erasure to the same place left is removed.
     *
     * @throws BadInputException when OUT or a run of the lineage is taken, missing, or not to be written; nothing is changed
     */
    static ErasedRun begin(RunFolder opened, Path asked, boolean keepEntries) {
        Path out = Lineage.real(asked);
        RunFolder.requireFree(out);
        RunFolder source = RunFolder.open(opened.root());
        if (!source.info().data().equals(opened.info().data())) {
            throw new BadInputException(source + ": another erasure has changed it since it was opened; open it again");
        }
        Lineage lineage = Lineage.of(source);
        if (!keepEntries && !lineage.missing().isEmpty()) {
            throw new BadInputException(missing(lineage));
        }
        Lineage.Locks locks = lineage.lock();
        RunLock own = null;
        try {
            RunFolder now = RunFolder.open(source.root());
            if (!now.info().equals(source.info()) || !Lineage.of(now).sameRuns(lineage)) {
                throw new BadInputException(source + ": another erasure has just come before this one; ask again");
            }
            clearKilled(lineage);
            Path growing = growing(out);
            own = takeOver(growing);
            return new ErasedRun(source, out, growing, own, lineage, locks);
        } catch (IOException | RuntimeException e) {
            locks.close();
            if (own != null) {
                own.close();
            }
            throw e instanceof RuntimeException known ? known
                    : new UncheckedIOException(growing(out) + ": cannot be made: " + Reason.of(e), (IOException) e);
        }
    }

    /** Where the run that is to be OUT grows. */
    static Path growing(Path out) {
        Path place = Lineage.real(out);
        return place.resolveSibling(place.getFileName() + ".erasing");
    }

    /** Starts what is never to be a run: it grows in a folder of its own and takes no lock. */
    static ErasedRun trial(RunFolder source) {
        Path beside = source.root().toAbsolutePath();
        try {
            Path growing = PrivateFiles.tempFolder(beside.getParent(), beside.getFileName() + "-trial");
            return new ErasedRun(source, null, growing, null, null, null);
        } catch (IOException e) {
            throw new UncheckedIOException(beside.getParent() + ": a trial's folder cannot be made: " + Reason.of(e), e);
        }
    }

    private static String missing(Lineage lineage) {
        Lineage.Missing first = lineage.missing().getFirst();
        return first.run() + ", which comes from the same training as " + first.of() + ", " + first.reason() + (lineage.missing().size() == 1 ? "" : ", and " + (lineage.missing().size() - 1) + " more")
                + ": it may hold gradients of the records to erase. If it has moved, say lethe finish " + first.of()
                + " --found DIR; if it was deleted, lethe finish " + first.of() + " --gone " + first.run();
    }

    /** Removes what erasures that were killed on these runs left beside other names: it has entries of everyone. */
    private static void clearKilled(Lineage lineage) throws IOException {
        for (RunFolder run : lineage.runs()) {
            for (Kin kin : run.info().kin()) {
                Path left = growing(Path.of(kin.run()));
                if (kin.state() == Kin.State.INTENDED && Files.isRegularFile(left.resolve(MARK), LinkOption.NOFOLLOW_LINKS)) {
                    takeOver(left).close();
                    PrivateFiles.deleteTree(left);
                }
            }
        }
    }

    /** Makes the folder that the run grows in, or empties one that a killed erasure left there. */
    private static RunLock takeOver(Path growing) throws IOException {
        PrivateFiles.makeFolder(growing.getParent());
        try {
            PrivateFiles.newFolder(growing);
            return RunLock.take(growing.resolve(MARK));
        } catch (FileAlreadyExistsException e) {
            if (!Files.isRegularFile(growing.resolve(MARK), LinkOption.NOFOLLOW_LINKS)) {
                throw new BadInputException(growing + ": is in the way, and no erasure made it (there is no " + MARK
                        + " in it); move it, or choose another --out");
            }
            RunLock lock = RunLock.take(growing.resolve(MARK));
            try {
                empty(growing);
                return lock;
            } catch (IOException | RuntimeException failure) {
                lock.close();
                throw failure;
            }
        }
    }

    /** Removes all but the lock. */
    private static void empty(Path growing) throws IOException {
        try (Stream<Path> inside = Files.list(growing)) {
            for (Path left : (Iterable<Path>) inside::iterator) {
                if (!left.endsWith(MARK)) {
                    PrivateFiles.deleteTree(left);
                }
            }
        }
    }

    void write(EraseStep step) {
        journal.write(step);
    }

    /** Where a retraining may put its run; gone when the new run is complete. */
    Path retrained() {
        return growing.resolve("retrained");
    }

    /** Makes what the retraining captured the new run's ledger: the source's is of another training. */
    void takeLedger() {
        try {
            if (Files.isDirectory(retrained().resolve("ledger"))) {
                Files.move(retrained().resolve("ledger"), growing.resolve("ledger"));
            }
            PrivateFiles.deleteTree(retrained());
        } catch (IOException e) {
            throw new UncheckedIOException(growing + ": the retrained run cannot be taken over: " + Reason.of(e), e);
        }
    }

    /** The request's id; says nothing of the records without the account's key. */
    String id(Set<String> records, EraseConfig config) {
        return key.of(source.info().result().modelHash() + "\n" + new TreeSet<>(records) + "\n" + RunJson.line(config))
                .substring(0, 16);
    }

    /**
     * Writes the run, puts it in its place, destroys what the lineage holds of the erased. Call it shielded from interrupts.
     *
     * @param records what was erased, to be looked for in the end
     * @return the erasure with what was destroyed and what is left
     * @throws dev.lethe.train.PendingErasureException when the run is in its place and something could not be destroyed
     */
    Erasure complete(LanguageModel model, Erasure erasure, List<Record> records) {
        Set<String> erased = erasure.leaving();
        boolean destroys = !erased.isEmpty() && !erasure.config().keepEntries();
        journal.close();
        try {
            Checkpoint.save(model, Checkpoint.config(source.model()), growing.resolve("model"), source.model());
            RunInfo info = info(model, erasure);
            intend(info.identity());
            ledger(erased, erasure.config().keepEntries());
            List<RunRecord> left = source.records().stream().filter(record -> !erased.contains(record.id())).toList();
            Path notes = growing.resolve("journal");
            key.write(notes);
            PrivateFiles.write(notes.resolve(RunFolder.ACCOUNT), RunJson.pretty(erasure.under(key)));
            if (destroys) {
                owed(erasure, info.identity()).write(notes);
            }
            RunFolder.describe(growing, info, left);
        } catch (IOException e) {
            throw new UncheckedIOException(out + ": the new run cannot be written: " + Reason.of(e, out), e);
        }
        takePlace();
        RunFolder made = RunFolder.openAny(out);
        try {
            if (destroys) {
                return Finish.complete(made, erasure, Census.Search.of(records));
            }
            Lineage.of(made).introduce();
            return erasure;
        } catch (UncheckedIOException e) { // a full disk: the run is there all the same
            throw destroys ? new PendingErasureException(made, PendingErasure.of(made), e) : e;
        }
    }

    /** The rename is the moment that counts. */
    private void takePlace() {
        try {
            freeName();
            Files.move(growing, out, StandardCopyOption.ATOMIC_MOVE);
            intended = false;
            PrivateFiles.syncFolder(out.toAbsolutePath().getParent());
        } catch (IOException e) {
            throw new UncheckedIOException(out + ": the new run cannot take its place: " + Reason.of(e), e);
        }
    }

    /** A rename needs OUT's name free. Whoever has begun to write there since {@link #begin} keeps it, and this erasure ends. */
    private void freeName() throws IOException {
        if (!Files.isDirectory(out)) {
            return;
        }
        RunFolder.requireFree(out);
        Path lock = out.resolve(RunFolder.LOCK);
        try (var _ = RunLock.take(lock)) {
            RunFolder.requireFree(out); // still, and nobody is at work there
            Files.delete(lock);
        }
        Files.delete(out); // empty, or it throws
    }

    /** Notes the new run in the source: before it has entries, so that whatever a kill leaves of it is known there. */
    private void intend(String identity) {
        List<Kin> all = new ArrayList<>(source.info().kin());
        all.removeIf(kin -> kin.state() == Kin.State.INTENDED && !RunFolder.isRun(Path.of(kin.run())));
        all.add(new Kin(Lineage.real(out).toString(), identity, Kin.State.INTENDED));
        intended = true;
        source.save(source.info().withKin(all));
    }

    /** Every run that may hold what is to be destroyed, with how much; the new one last, with its model's hash. */
    private PendingErasure owed(Erasure erasure, String identity) {
        Set<RecordKey> keys = Finish.keys(erasure.leaving());
        List<PendingErasure.Place> places = new ArrayList<>();
        for (RunFolder run : lineage.runs()) {
            places.add(place(run.root(), run.identity(), live(run.ledger(), keys)));
        }
        places.add(place(out, identity, live(growing.resolve("ledger"), keys)));
        return new PendingErasure(erasure.id(), erasure.leaving().stream().sorted().toList(), places);
    }

    private static PendingErasure.Place place(Path run, String identity, int entries) {
        return new PendingErasure.Place(Lineage.real(run).toString(), identity, entries, false, null);
    }

    private static int live(Path folder, Set<RecordKey> keys) {
        if (!Files.isDirectory(folder)) {
            return 0;
        }
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            return (int) ledger.entries().stream().filter(entry -> !entry.destroyed())
                    .map(Entry::header).filter(header -> keys.contains(header.key())).count();
        }
    }

    private void ledger(Set<String> erased, boolean keepInSource) {
        if (!source.hasLedger() || Files.isDirectory(growing.resolve("ledger"))) {
            return;
        }
        if (keepInSource) {
            GradientLedger.copyWithout(source.ledger(), growing.resolve("ledger"), Finish.keys(erased));
        } else {
            GradientLedger.link(source.ledger(), growing.resolve("ledger"));
        }
    }

    private RunInfo info(LanguageModel model, Erasure erasure) {
        List<Kin> kin = new ArrayList<>(lineage.runs().stream().map(Lineage::kin).toList());
        for (Kin other : source.info().kin()) { // those that are gone or missing stay known
            if (other.state() != Kin.State.INTENDED && kin.stream().noneMatch(one -> one.identity().equals(other.identity()))) {
                kin.add(other);
            }
        }
        return source.info().withResult(source.info().result().withModel(Trainer.modelHash(model),
                        Checkpoint.settingsHash(growing.resolve("model"))))
                .withLineage(new RunInfo.Lineage(Lineage.real(source.root()).toString(), erasure.id())).withKin(kin);
    }

    /** Removes what was begun unless it is complete, and gives the locks back. */
    @Override
    public void close() {
        journal.close();
        try {
            if (Files.isDirectory(growing)) {
                empty(growing); // the lock goes last: with it whoever waits for the folder may have it
            }
            PrivateFiles.deleteTree(growing);
            if (intended) {
                source.save(source.info());
            }
            if (own != null && Files.isDirectory(out)) {
                Files.deleteIfExists(out.resolve(MARK));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(growing + ": cannot be removed: " + Reason.of(e), e);
        } finally {
            if (own != null) {
                own.close();
                locks.close();
            }
        }
    }
}
