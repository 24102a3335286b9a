/*
 * A run on disk: where its parts lie, its description (lethe.json) and its records (records.jsonl). Opening checks that
 * this version can read it. Leaves out what is inside the model and the ledger.
 */
package dev.lethe.run;

import dev.lethe.base.BadInputException;
import dev.lethe.base.BadInputException.ConflictException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.FolderLinks;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.results.Erasure;
import dev.lethe.run.PendingErasure.PendingErasureException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;

/** A run's folder. Immutable; any thread. Its writer is whoever made it. */
public final class RunFolder {
    /** Whoever writes into a run holds a lock on this file; it also marks a folder as Lethe's. */
    public static final String LOCK = "lethe.lock";
    /** Describes a run. */
    public static final String INFO = "lethe.json";
    /** Within the journal: what an erasure did. */
    public static final String ACCOUNT = "erasure.json";

    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private final Path root;
    private final RunInfo info;

    private RunFolder(Path root, RunInfo info) {
        this.root = root;
        this.info = info;
    }

    /** Whether there is a run, finished or not, of any version. */
    public static boolean isRun(Path root) {
        return Files.isRegularFile(root.resolve(INFO));
    }

    /**
     * Opens a complete run. Changes nothing.
     *
     * @throws BadInputException       when there is no run, its training has not finished, another version made it, or a link
     *                                 leads out of it
     * @throws DamagedDataException    when its description cannot be read
     * @throws PendingErasureException when an erasure has not finished with it
     */
    public static RunFolder open(Path root) {
        RunFolder run = openAny(root);
        if (run.info.state() != RunInfo.State.COMPLETE) {
            throw new BadInputException(root + ": its training has not finished; resume it");
        }
        PendingErasure.requireNone(run);
        return run;
    }

    /** Opens a run in whatever state; the same errors as {@link #open} but for the unfinished ones. */
    public static RunFolder openAny(Path root) {
        Path file = root.resolve(INFO);
        if (!isRun(root)) {
            throw new BadInputException(root + ": not a run, there is no " + INFO + " in it");
        }
        FolderLinks.requireInside(root);
        String json = RunJson.text(file);
        JsonNode tree = RunJson.tree(json, file.toString());
        int format = tree.path("format").asInt(-1);
        if (format != RunInfo.FORMAT) {
            throw new BadInputException(root + ": made by Lethe " + tree.path("lethe").asString("(unknown)")
                    + " (run format " + (format < 0 ? "unknown" : format) + "); this is Lethe " + RunInfo.VERSION
                    + ", which reads run format " + RunInfo.FORMAT);
        }
        return new RunFolder(root, RunJson.read(json, RunInfo.class, file.toString()));
    }

    /**
     * Makes a run: folder, records.jsonl, then lethe.json, which makes it count.
     *
     * @throws BadInputException when the folder is not free or cannot be made
     */
    public static RunFolder create(Path root, RunInfo info, List<RunRecord> records) {
        makeFree(root);
        return describe(root, info, records);
    }

    /** As {@link #create} in a folder that holds the run's other parts; hash and counts of the records become theirs. */
    public static RunFolder describe(Path root, RunInfo info, List<RunRecord> records) {
        write(root, records);
        return new RunFolder(root, info).save(info.withData(info.data().left(records)));
    }

    static void write(Path root, List<RunRecord> records) {
        StringBuilder lines = new StringBuilder();
        for (RunRecord record : records) {
            lines.append(RunJson.line(record)).append('\n');
        }
        Io.disk(root + ": writing the run's records", () -> PrivateFiles.write(root.resolve("records.jsonl"), lines.toString()));
    }

    /** Refuses a folder that holds anything but a lock, or that is a file. Changes nothing. */
    public static void requireFree(Path root) {
        if (!Files.exists(root)) {
            return;
        }
        if (!Files.isDirectory(root)) {
            throw new BadInputException(root + ": is a file, a run needs a folder of its own");
        }
        if (!Io.reading(root, () -> Io.list(root)).stream().allMatch(path -> path.endsWith(LOCK))) {
            throw new ConflictException(root + (isRun(root) ? ": already holds a run" : ": is not empty")
                    + "; name a new folder" + (isRun(root) ? ", or resume the training if it has not finished" : ""));
        }
    }

    public static void makeFree(Path root) {
        requireFree(root);
        try {
            PrivateFiles.makeFolder(root);
            Files.delete(PrivateFiles.part(root.resolve("probe")));
        } catch (AccessDeniedException e) {
            throw new BadInputException(root + ": cannot be written, no permission for " + e.getFile()
                    + "; name a folder that is writable", e);
        } catch (FileAlreadyExistsException | NotDirectoryException e) {
            throw new BadInputException(root + ": cannot be made, " + e.getFile() + " is a file", e);
        } catch (IOException e) {
            throw new BadInputException(root + ": cannot be written: " + Reason.of(e, root)
                    + "; name a folder that is writable", e);
        }
    }

    /** Replaces the description on disk, atomically, and returns the run with it. */
    public RunFolder save(RunInfo info) {
        return Io.disk(root.resolve(INFO) + ": cannot be written", () -> {
            PrivateFiles.write(root.resolve(INFO), RunJson.pretty(info));
            return new RunFolder(root, info);
        });
    }

    public RunInfo info() {
        return info;
    }

    public Path root() {
        return root;
    }

    /** As {@link RunInfo#identity}. */
    public String identity() {
        return info.identity();
    }

    /**
     * Writes something that was made of this run's records into it, unless an erasure has taken records out since it was read. Waits
     * some seconds for another writer.
     *
     * @throws BadInputException when one has, or is at it
     */
    public void keep(Runnable write) {
        try (var _ = RunLock.take(root.resolve(LOCK), PATIENCE)) {
            if (!openAny(root).info().data().equals(info.data())) {
                throw new BadInputException(root + ": an erasure has taken records out of it meanwhile; ask again");
            }
            write.run();
        }
    }

    /** The Hugging Face folder of the trained model; absent while training. */
    public Path model() {
        return root.resolve("model");
    }

    /** The gradient ledger; absent when nothing was captured. */
    public Path ledger() {
        return root.resolve("ledger");
    }

    public boolean hasLedger() {
        return Files.isDirectory(ledger());
    }

    /** One JSON line a step: step, epoch, loss, learning_rate, gradient_norm, records, targets, holdout_loss. */
    public Path metrics() {
        return root.resolve("metrics.jsonl");
    }

    /** One JSON line a step: step, seconds, tokens. Apart from metrics.jsonl, which is the same for the same training. */
    public Path timings() {
        return root.resolve("timings.jsonl");
    }

    /** Steps of an erasure. */
    public Path journal() {
        return root.resolve("journal");
    }

    public Path report() {
        return root.resolve("report");
    }

    /** Every record of the run, in the order of the data, learned ones first. */
    public List<RunRecord> records() {
        return RunJson.lines(root.resolve("records.jsonl"), RunRecord.class);
    }

    /**
     * The records of one split with their text, from records.jsonl when it keeps text, else from the data file, where
     * each is checked against the hash the run noted.
     *
     * @return an empty set when nothing was held out
     * @throws BadInputException when the data file is gone or no longer holds these records
     */
    public Dataset data(RunRecord.Split split) {
        return data(split, null);
    }

    /** As {@link #data(RunRecord.Split)} with {@code given} in place of the run's data file, which may have moved. */
    public Dataset data(RunRecord.Split split, Dataset given) {
        return RunData.read(this, split, given);
    }

    /**
     * The records that the erasure which made this run removed, as far as {@code known} still has them: the account names
     * them under a key.
     *
     * @param known the data that the source run learned, or null to read the run's data file
     * @throws BadInputException when no erasure made the run or the key was deleted
     */
    public Dataset erased(Dataset known) {
        if (!Files.isRegularFile(journal().resolve(ACCOUNT))) {
            throw new BadInputException(root + ": is not a run that an erasure made");
        }
        if (!Files.isRegularFile(IdKey.file(journal()))) {
            throw new BadInputException(IdKey.file(journal()) + ": was deleted, so nobody can tell whom the account means");
        }
        Dataset all = known != null ? known : Dataset.read(Path.of(info.data().path()), info.data().form());
        Set<String> ids = erasedAmong(all.records().stream().map(TextRecord::id).toList());
        return all.filter(record -> ids.contains(record.id()));
    }

    /** What the erasure that made this run says of itself, ids under its key; null of a run that no erasure made. */
    public Erasure account() {
        Path file = journal().resolve(ACCOUNT);
        return Files.isRegularFile(file) ? RunJson.read(file, Erasure.class) : null;
    }

    /**
     * Which of these ids the account of this run's own erasure names, copies that left with them too; none without an account, or
     * without its key.
     */
    public Set<String> erasedAmong(Collection<String> ids) {
        Path account = journal().resolve(ACCOUNT);
        return Io.input(IdKey.file(journal()) + ": cannot be read", () -> {
            IdKey key = IdKey.read(journal());
            if (key == null || !Files.isRegularFile(account)) {
                return Set.of();
            }
            Set<String> names = new HashSet<>();
            JsonNode tree = RunJson.read(account, JsonNode.class);
            tree.path("records").forEach(name -> names.add(name.asString("")));
            tree.path("copies").forEach(copy -> {
                if (copy.path("taken").asBoolean(false)) {
                    names.add(copy.path("record_id").asString(""));
                }
            });
            return ids.stream().filter(id -> names.contains(key.of(id))).collect(Collectors.toSet());
        });
    }

    /**
     * Takes records out of records.jsonl and their number and hash out of lethe.json; what was written there is overwritten.
     * Safe to repeat, also after a kill. This object keeps the old description: open the run again.
     *
     * @return rows taken out
     * @throws DamagedDataException when the two files did not agree before
     */
    public int drop(Set<String> ids) {
        return RunData.drop(this, ids);
    }

    @Override
    public String toString() {
        return root.toString();
    }
}
