/*
 * The new run of an erasure, from its journal to its place. It grows in a folder beside its name, OUT.erasing, and appears
 * as OUT by one rename when model, ledger and account are whole; only then are the erased records' ledger entries destroyed,
 * in both runs. A kill before the rename leaves the source as it was (the next erasure to OUT removes what is left); a kill
 * after it leaves a destruction that finishPending completes.
 */
package dev.lethe.unlearn;

import dev.lethe.engine.LanguageModel;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.LedgerWriter;
import dev.lethe.ledger.RecordKey;
import dev.lethe.model.Checkpoint;
import dev.lethe.train.AtomicFiles;
import dev.lethe.train.RunFolder;
import dev.lethe.train.RunInfo;
import dev.lethe.train.RunJson;
import dev.lethe.train.RunRecord;
import dev.lethe.train.Split;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

final class ErasedRun implements AutoCloseable {
    private final RunFolder source;
    private final Path out;
    private final Path growing;
    private final Journal journal;

    /** What destroyed.json says. */
    private record Destroyed(String erasure, int entries) { }

    private ErasedRun(RunFolder source, Path out, Path growing) {
        this.source = source;
        this.out = out;
        this.growing = growing;
        this.journal = new Journal(growing.resolve("journal"));
    }

    /** Starts a new run; what a killed erasure to the same place left is removed. */
    static ErasedRun begin(RunFolder source, Path out) {
        RunFolder.requireFree(out);
        Path absolute = out.toAbsolutePath();
        Path growing = absolute.resolveSibling(absolute.getFileName() + ".erasing");
        try {
            AtomicFiles.deleteTree(growing);
        } catch (IOException e) {
            throw new UncheckedIOException(growing + ": left by a killed erasure, cannot be removed: " + e.getMessage(), e);
        }
        return new ErasedRun(source, out, growing);
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
            AtomicFiles.deleteTree(retrained());
        } catch (IOException e) {
            throw new UncheckedIOException(growing + ": the retrained run cannot be taken over: " + e.getMessage(), e);
        }
    }

    /** The request's id: the same source model, records and configuration give the same one. */
    String id(Set<String> records, EraseConfig config) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            String request = source.info().result().modelHash() + "\n" + new TreeSet<>(records) + "\n" + RunJson.line(config);
            return HexFormat.of().formatHex(digest.digest(request.getBytes(StandardCharsets.UTF_8)), 0, 8);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
    }

    /** Writes the run, puts it in its place, destroys the entries; returns the erasure with their number. */
    Erasure complete(LanguageModel model, Erasure erasure) {
        Set<String> erased = new HashSet<>(erasure.records());
        journal.close();
        try {
            Checkpoint.save(model, Checkpoint.config(source.model()), growing.resolve("model"), source.model());
            ledger(erased, erasure.config().keepEntries());
            List<RunRecord> left = source.records().stream().filter(record -> !erased.contains(record.id())).toList();
            AtomicFiles.write(growing.resolve("journal").resolve(Journal.ERASURE), RunJson.pretty(erasure));
            RunFolder.describe(growing, info(model, erasure, left), left);
            if (Files.isDirectory(out)) {
                Files.delete(out); // empty: begin refused anything else, and a rename needs the name free
            }
            Files.move(growing, out, StandardCopyOption.ATOMIC_MOVE);
            AtomicFiles.syncFolder(out.toAbsolutePath().getParent());
        } catch (IOException e) {
            throw new UncheckedIOException(out + ": the new run cannot be written: " + e.getMessage(), e);
        }
        return erasure.withEntriesDestroyed(destroy(source, out, erasure));
    }

    private void ledger(Set<String> erased, boolean keepInSource) {
        if (!source.hasLedger() || Files.isDirectory(growing.resolve("ledger"))) {
            return;
        }
        if (keepInSource) {
            GradientLedger.copyWithout(source.ledger(), growing.resolve("ledger"), keys(erased));
        } else {
            GradientLedger.link(source.ledger(), growing.resolve("ledger"));
        }
    }

    private RunInfo info(LanguageModel model, Erasure erasure, List<RunRecord> left) {
        RunInfo from = source.info();
        int learned = (int) left.stream().filter(record -> record.split() == Split.TRAIN).count();
        RunInfo.Data data = from.data();
        RunInfo.Result result = from.result();
        return from.withData(new RunInfo.Data(data.path(), data.holdoutPath(), data.sha256(), learned, data.holdout(),
                        data.truncated(), data.targets()))
                .withResult(new RunInfo.Result(result.steps(), result.finalLoss(), Trainer.modelHash(model),
                        result.ledger()))
                .withLineage(new RunInfo.Lineage(source.root().toString(), erasure.id()));
    }

    private static Set<RecordKey> keys(Set<String> ids) {
        return ids.stream().map(RecordKey::of).collect(Collectors.toSet());
    }

    /** Destroys the erased records' entries in both ledgers and notes it in the new run. Safe to repeat. */
    private static int destroy(RunFolder source, Path out, Erasure erasure) {
        RunFolder fresh = RunFolder.open(out);
        if (erasure.config().keepEntries() || !fresh.hasLedger()) {
            return 0;
        }
        Set<RecordKey> keys = keys(new HashSet<>(erasure.records()));
        int entries = source.hasLedger() ? LedgerWriter.destroy(source.ledger(), keys) : 0;
        entries = Math.max(entries, LedgerWriter.destroy(fresh.ledger(), keys));
        try {
            AtomicFiles.write(fresh.journal().resolve(Journal.DESTROYED),
                    RunJson.pretty(new Destroyed(erasure.id(), entries)));
        } catch (IOException e) {
            throw new UncheckedIOException(out + ": noting the destroyed entries: " + e.getMessage(), e);
        }
        return entries;
    }

    /**
     * Completes the destruction that a kill cut off.
     *
     * @return whether there was one
     */
    static boolean finishPending(Path out) {
        RunFolder run = RunFolder.open(out);
        Path account = run.journal().resolve(Journal.ERASURE);
        if (!Files.isRegularFile(account) || Files.isRegularFile(run.journal().resolve(Journal.DESTROYED))) {
            return false;
        }
        try {
            Erasure erasure = RunJson.read(Files.readString(account), Erasure.class, account.toString());
            if (erasure.config().keepEntries() || !run.hasLedger()) {
                return false;
            }
            destroy(RunFolder.open(erasure.source()), out, erasure);
            return true;
        } catch (IOException e) {
            throw new UncheckedIOException(account + ": " + e.getMessage(), e);
        }
    }

    /** Removes what was begun unless it is complete. */
    @Override
    public void close() {
        journal.close();
        try {
            AtomicFiles.deleteTree(growing);
        } catch (IOException e) {
            throw new UncheckedIOException(growing + ": cannot be removed: " + e.getMessage(), e);
        }
    }
}
