/*
 * The new run of an erasure, from its journal to its place. It grows in a folder beside its name, OUT.erasing, and appears
 * as OUT by one rename when model, ledger and account are whole; from then on Finish destroys what the lineage holds of the
 * erased. Locks on OUT.erasing and on every run of the lineage are held from before the first write to the end, so two requests
 * never mix. A kill before the rename leaves the source as it was (it names OUT once there are entries in OUT.erasing, and
 * the next erasure in the lineage removes them); a kill after it leaves journal/pending.json, which `lethe finish` works off.
 * Neither can be interrupted half-way.
 */
package dev.lethe.erase;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.LanguageModel;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.LedgerKeys;
import dev.lethe.model.Checkpoint;
import dev.lethe.results.Destroyed;
import dev.lethe.results.EraseStep;
import dev.lethe.results.Erasure;
import dev.lethe.run.IdKey;
import dev.lethe.run.Lineage;
import dev.lethe.run.PendingErasure;
import dev.lethe.run.PendingErasure.PendingErasureException;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunInfo.Kin;
import dev.lethe.run.RunJson;
import dev.lethe.run.RunRecord;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Strategy;
import dev.lethe.strategy.Method;
import dev.lethe.train.Replay;
import dev.lethe.train.Trainer;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

final class ErasedRun implements Method.Fresh, AutoCloseable {
    /** Where in its growing folder a retraining is. */
    static final String RETRAINED = "retrained";

    private final RunFolder source;
    private final Path out; // null for a trial, as lineage and locks
    private final GrowingFolder growing;
    private final Lineage lineage;
    private final Lineage.Locks locks;
    private final IdKey key = IdKey.random();
    private final Journal journal;
    private RunInfo.Plan plan; // a replay's
    private boolean intended; // the source knows of the new run, which is not in its place yet

    private ErasedRun(RunFolder source, Path out, GrowingFolder growing, Lineage lineage, Lineage.Locks locks) {
        this.source = source;
        this.out = out;
        this.growing = growing;
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
            throw new BadInputException(missing(lineage), List.of("found", "gone"), null);
        }
        if (!keepEntries) { // better now than when all is done but the destruction
            lineage.runs().stream().filter(RunFolder::hasLedger).forEach(run -> LedgerKeys.requireFor(run.ledger()));
        }
        Lineage.Locks locks = lineage.lock();
        try {
            RunFolder now = RunFolder.open(source.root());
            if (!now.info().equals(source.info()) || !Lineage.of(now).sameRuns(lineage)) {
                throw new BadInputException(source + ": another erasure has just come before this one; ask again");
            }
            GrowingFolder.clear(lineage);
            return in(GrowingFolder.take(out), source, out, lineage, locks);
        } catch (RuntimeException e) {
            locks.close();
            throw e;
        }
    }

    /** Starts what is never to be a run: it takes no lock but that of its own folder, so one at a time is tried on a run. */
    static ErasedRun trial(RunFolder source) {
        return in(GrowingFolder.trial(source), source, null, null, null);
    }

    private static ErasedRun in(GrowingFolder growing, RunFolder source, Path out, Lineage lineage, Lineage.Locks locks) {
        try {
            return new ErasedRun(source, out, growing, lineage, locks);
        } catch (RuntimeException e) { // the journal, on a full disk
            growing.close();
            throw e;
        }
    }

    private static String missing(Lineage lineage) {
        Lineage.Missing first = lineage.missing().getFirst();
        return first.run() + ", which comes from the same training as " + first.of() + ", " + first.reason()
                + (lineage.missing().size() == 1 ? "" : ", and " + (lineage.missing().size() - 1) + " more")
                + ": it may hold gradients of the records to erase; finish " + first.of()
                + " first, and say where it is found, or that it is gone";
    }

    @Override
    public void write(EraseStep step) {
        journal.write(step);
    }

    /** Before anything is in it the source knows of the new run by its folder's name: it has no identity yet. */
    @Override
    public Path retrained() {
        if (out != null) {
            intend(out.getFileName().toString());
        }
        return growing.resolve(RETRAINED);
    }

    @Override
    public void takeOver(boolean replayed) {
        Path retrained = growing.resolve(RETRAINED);
        Io.disk(growing + ": the retrained run cannot be taken over", () -> {
            for (String name : replayed ? List.of("ledger", "metrics.jsonl", "timings.jsonl", Replay.FOLDER) : List.of("ledger")) {
                if (Files.exists(retrained.resolve(name))) {
                    Files.move(retrained.resolve(name), growing.resolve(name));
                }
            }
            plan = replayed ? RunFolder.openAny(retrained).info().plan() : null;
            PrivateFiles.deleteTree(retrained);
        });
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
     * @throws dev.lethe.run.PendingErasure.PendingErasureException when the run is in its place and something could not be destroyed
     */
    Erasure complete(LanguageModel model, Erasure erasure, List<TextRecord> records) {
        Set<String> erased = erasure.leaving();
        boolean destroys = !erased.isEmpty() && !erasure.config().keepEntries();
        journal.close();
        Io.disk(out + ": the new run cannot be written", () -> {
            Checkpoint.save(model, Checkpoint.config(source.model()), growing.resolve("model"), source.model());
            List<RunRecord> left = source.records().stream().filter(record -> !erased.contains(record.id())).toList();
            RunInfo info = withPlan(info(model, erasure), erasure, left);
            intend(info.identity());
            ledger(erased, erasure.config().keepEntries());
            Path notes = growing.resolve("journal");
            key.write(notes);
            PrivateFiles.write(notes.resolve(RunFolder.ACCOUNT), RunJson.pretty(erasure.under(key::of)));
            if (destroys) {
                owed(erasure, info.identity()).write(notes);
            }
            RunFolder.describe(growing.path(), info, left);
        });
        growing.takePlace();
        intended = false;
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

    /**
     * Notes the new run in the source: before it has entries, so that whatever a kill leaves of it is known there. The last
     * identity counts.
     */
    private void intend(String identity) {
        List<Kin> all = new ArrayList<>(source.info().kin());
        all.removeIf(kin -> kin.state() == Kin.State.INTENDED && !RunFolder.isRun(Path.of(kin.run())));
        all.add(new Kin(Lineage.real(out).toString(), identity, Kin.State.INTENDED));
        intended = true;
        source.save(source.info().withKin(all));
    }

    /** Every run that may hold what is to be destroyed, with how much; the new one last, with its model's hash. */
    private PendingErasure owed(Erasure erasure, String identity) {
        Set<Entry.RecordKey> keys = Finish.keys(erasure.leaving());
        List<Destroyed> places = new ArrayList<>();
        for (RunFolder run : lineage.runs()) {
            places.add(place(run.root(), run.identity(), run.ledger(), keys));
        }
        places.add(place(out, identity, growing.resolve("ledger"), keys));
        return new PendingErasure(erasure.id(), erasure.leaving().stream().sorted().toList(), places);
    }

    private static Destroyed place(Path run, String identity, Path folder, Set<Entry.RecordKey> keys) {
        List<Entry> live = List.of();
        boolean encrypted = false;
        if (Files.isDirectory(folder)) {
            try (GradientLedger ledger = GradientLedger.open(folder)) {
                live = ledger.entries().stream().filter(entry -> !entry.destroyed() && keys.contains(entry.header().key())).toList();
                encrypted = ledger.manifest().keys() != null;
            }
        }
        int own = (int) live.stream().filter(Entry::encrypted).map(entry -> entry.header().key()).distinct().count();
        return new Destroyed(Lineage.real(run).toString(), identity, live.size(), encrypted ? own : null, false, null);
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

    /** The plan to replay the new run by; unless it was retrained, the source's checkpoints that have not seen the erased are its. */
    private RunInfo withPlan(RunInfo info, Erasure erasure, List<RunRecord> left) {
        if (plan != null || info.plan() == null || erasure.records().isEmpty()) {
            return info.withPlan(plan); // none after a request in its own words, which a replay would bring back
        }
        RunInfo masked = info.withPlan(info.plan().without(source.records(), erasure.leaving()));
        if (masked.plan() == null) {
            return masked;
        }
        if (erasure.config().strategy().kind() == Strategy.Kind.RETRAIN) { // of another order than the source's
            return masked.withPlan(masked.plan().withKept(List.of()));
        }
        List<Long> clean = Replay.clean(source.root(), masked, left);
        Replay.link(source.root(), growing.path(), clean);
        return masked.withPlan(masked.plan().withKept(clean));
    }

    /** Removes what was begun unless it is complete, and gives the locks back. */
    @Override
    public void close() {
        try {
            try (growing) {
                journal.close();
            }
            if (intended) { // last: until nothing is left of the new run, the source must know of it
                source.save(source.info());
            }
        } finally {
            if (locks != null) {
                locks.close();
            }
        }
    }

    /**
     * The erasure's own log, one JSON object a line, each forced to disk before the next move, so that a kill leaves a readable
     * account. Holds ids and numbers, never a record's text.
     *
     */
    static final class Journal implements AutoCloseable {
        static final String STEPS = "steps.jsonl";

        private final Path file;
        private final OutputStream out;

        Journal(Path folder) {
            file = folder.resolve(STEPS);
            out = Io.disk(folder + ": the journal cannot be written", () -> {
                PrivateFiles.makeFolder(folder);
                return PrivateFiles.append(file);
            });
        }

        void write(EraseStep step) {
            Io.disk(file, () -> {
                out.write((RunJson.line(step) + "\n").getBytes(StandardCharsets.UTF_8));
                PrivateFiles.sync(file);
            });
        }

        @Override
        public void close() {
            Io.disk(file, () -> out.close());
        }
    }
}
