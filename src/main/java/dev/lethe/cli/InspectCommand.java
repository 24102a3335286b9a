package dev.lethe.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Reason;
import dev.lethe.base.Sizes;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import dev.lethe.engine.CapturedEntries;
import dev.lethe.engine.Engine;
import dev.lethe.engine.EntryFormat.EntryInfo;
import dev.lethe.engine.LanguageModel;
import dev.lethe.erase.Census;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.LedgerCheck;
import dev.lethe.ledger.LedgerManifest;
import dev.lethe.ledger.Payloads;
import dev.lethe.model.Checkpoint;
import dev.lethe.results.Trace;
import dev.lethe.run.PendingErasure.PendingErasureException;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.train.RunCheck;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Supplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe inspect: what a folder is, and whether it is whole: every byte of weights and ledger is read, and compared. */
@Command(name = "inspect", description = {"Says what a run, a ledger or a checkpoint holds, and whether it is whole.",
    "Exit code 4 when it is not."})
final class InspectCommand extends LetheCommand {
    @Parameters(paramLabel = "PATH", description = "A run, a ledger folder or a Hugging Face folder.")
    private Path path;

    @Option(names = "--personal", description = "List what may tell of a record, in the folder (also of a study or a demo)"
            + " and in the data files and runs that it names, and who can clean it.")
    private boolean personal;

    @Option(names = "--find", paramLabel = "TEXT", description = "With --personal: say where this text stands; repeatable.")
    private List<String> find = List.of();

    private final ModelPlace place = new ModelPlace();

    @Mixin
    private final SettingOptions settings = new SettingOptions(place::into, "device");

    /** What --json gives; parts that the path does not have are left out. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Result(String path, String kind, boolean whole, List<String> problems, RunInfo run, ModelPart model,
                  LedgerView ledger) {}

    record ModelPart(ModelShape shape, long parameters, String sha256) {}

    @Override
    protected void work() {
        if (!Files.exists(path)) {
            throw new BadInputException(path + ": there is no such file or folder");
        }
        place.useBase();
        if (personal) {
            PersonalData data = PersonalData.of(path, find);
            result(data, terminal -> data.print(terminal));
            return;
        }
        if (!find.isEmpty()) {
            throw new BadInputException("--find goes with --personal");
        }
        List<String> problems = new ArrayList<>();
        Result result = inspect(problems);
        result(result, terminal -> print(terminal, result));
        ends(problems.isEmpty() ? 0 : Main.DAMAGED);
    }

    private Result inspect(List<String> problems) {
        if (RunFolder.isRun(path)) {
            RunFolder run = RunFolder.openAny(path);
            boolean complete = run.info().state() == RunInfo.State.COMPLETE;
            ModelPart model = complete ? model(run.model(), run, problems) : null;
            LedgerView ledger = run.hasLedger() ? ledger(run.ledger(), problems) : null;
            if (complete) {
                check(() -> RunCheck.records(run), problems);
                check(() -> ledger == null && run.hasLedger() ? List.of() : RunCheck.ledger(run), problems);
                erasures(run, problems);
            }
            return new Result(path.toString(), "run", problems.isEmpty(), problems, run.info(), model, ledger);
        }
        if (Files.isRegularFile(path.resolve("manifest.json"))) {
            LedgerView ledger = ledger(path, problems);
            return new Result(path.toString(), "ledger", problems.isEmpty(), problems, null, null, ledger);
        }
        if (Checkpoint.isCheckpoint(path)) {
            ModelPart model = model(path, null, problems);
            return new Result(path.toString(), "checkpoint", problems.isEmpty(), problems, null, model, null);
        }
        throw new BadInputException(path + ": neither a run (lethe.json), nor a ledger (manifest.json), nor a Hugging Face"
                + " folder (config.json)");
    }

    /** @param run that the model is of, or null */
    private ModelPart model(Path folder, RunFolder run, List<String> problems) {
        try (Engine engine = place.open(); LanguageModel model = Checkpoint.load(engine, folder, Dtype.F32)) {
            if (run != null) {
                problems.addAll(RunCheck.model(run, model));
            }
            return new ModelPart(model.shape(), model.parameters(), Checkpoint.hash(folder));
        } catch (BadInputException | DamagedDataException e) {
            problems.add(Reason.of(e));
            return null;
        }
    }

    private static LedgerView ledger(Path folder, List<String> problems) {
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            LedgerCheck check = ledger.verify();
            check.damage().forEach(damage -> problems.add(folder + ": " + damage));
            return LedgerView.of(ledger, check);
        } catch (DamagedDataException e) {
            problems.add(Reason.of(e));
            return null;
        }
    }

    private static void check(Supplier<List<String>> part, List<String> problems) {
        try {
            problems.addAll(part.get());
        } catch (BadInputException | DamagedDataException e) {
            problems.add(Reason.of(e));
        }
    }

    /** An erasure that has not finished with the run is as bad as damage: someone takes it for done. */
    private static void erasures(RunFolder run, List<String> problems) {
        try {
            RunFolder.open(run.root());
        } catch (PendingErasureException e) {
            problems.add(Reason.of(e));
        }
    }

    private static void print(Terminal terminal, Result result) {
        terminal.print("%s: %s, %s", result.path, result.kind, result.whole ? "whole" : "NOT WHOLE");
        if (result.run != null) {
            RunInfo run = result.run;
            terminal.print("run      %s, made by Lethe %s on %s, %,d records learned, %,d held out%s",
                    run.state().toString().toLowerCase(Locale.ROOT), run.lethe(), run.machine().device(),
                    run.data().records(), run.data().holdout(),
                    run.lineage() == null ? "" : ", erasure " + run.lineage().erasure() + " from " + run.lineage().parent());
        }
        if (result.model != null) {
            terminal.print("model    %,d parameters: %s, vocabulary %,d", result.model.parameters,
                    result.model.shape.summary(),
                    result.model.shape.vocabulary());
        }
        if (result.ledger != null) {
            result.ledger.print(terminal);
        }
        result.problems.forEach(problem -> terminal.print("problem  %s", problem));
    }

    /**
     * What inspect says of a ledger.
     *
     * @param bytes           of all segments
     * @param reclaimable     of them, the room of destroyed entries that compact gives back
     * @param meanEntryBytes  of live payloads
     * @param droppedShare    mean share of the head's squared errors that top-k dropped
     * @param truncatedShare  mean share of the linear sites' squared norm that the rank dropped
     * @param uncommitted     bytes that an interrupted writer left behind, unused
     * @param keys            folder of the keys that it lies under, null of a ledger in the clear
     * @param clear           live entries that are not under keys yet
     * @param folders         in the ledger's that hold entries too
     */
    record LedgerView(List<String> sites, int headTopK, Dtype dtype, int rank, boolean sealed, int entries, int destroyed,
                      long bytes, long reclaimable, long meanEntryBytes, double droppedShare, double truncatedShare,
                      long uncommitted, @JsonInclude(JsonInclude.Include.NON_NULL) String keys, long clear,
                      @JsonInclude(JsonInclude.Include.NON_EMPTY) List<String> folders, List<Epoch> epochs) {
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
                try (Payloads one = ledger.payloads(List.of(live.get((int) ((long) i * live.size() / sampled))))) {
                    EntryInfo info = CapturedEntries.describe(one.list().getFirst());
                    dropped += info.droppedShare() / sampled;
                    truncated += info.truncatedShare() / sampled;
                }
            }
            long liveBytes = live.stream().mapToLong(Entry::length).sum();
            return new LedgerView(manifest.sites(), manifest.headTopK(), manifest.dtype(), manifest.rank(), manifest.sealed(),
                    check.entries(), check.destroyed(), check.bytes(), reclaimable, live.isEmpty() ? 0 : liveBytes / live.size(),
                    dropped, truncated, check.tails().stream().mapToLong(LedgerCheck.Tail::bytes).sum(),
                    manifest.keys() == null ? null : manifest.keys().folder(),
                    live.stream().filter(entry -> !entry.encrypted()).count(), ledger.folders(), List.copyOf(epochs.values()));
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
            if (keys != null) {
                terminal.print("keys     %s%s", keys, clear == 0 ? "" : String.format(Locale.ROOT, "; %,d entries lie in the clear still"
                        + " (lethe compact --encrypt)", clear));
            }
            if (!folders.isEmpty()) {
                terminal.print("folders  %s", String.join(" ", folders));
            }
            terminal.print("sites    %s", String.join(" ", sites));
            for (Epoch epoch : epochs) {
                terminal.print("epoch %-3d %,d entries, %s%s", epoch.epoch, epoch.entries, Sizes.of(epoch.bytes),
                        epoch.destroyed == 0 ? "" : String.format(Locale.ROOT, ", %,d destroyed", epoch.destroyed));
            }
        }
    }

    /** What inspect --personal shows: every place of a folder, and of what it names, that may tell of a record. */
    record PersonalData(String path, List<Trace> places) {
        /** @param find texts to look for, may be empty */
        static PersonalData of(Path path, List<String> find) {
            return new PersonalData(path.toString(), Census.of(path, find.isEmpty() ? null : new Census.Search(Set.of(), find)));
        }

        void print(Terminal terminal) {
            Path root = Path.of(path).toAbsolutePath().normalize();
            for (Trace place : places) {
                Path at = Path.of(place.path());
                terminal.print("%-11s %-40s %s; %s%s%s", place.kind(), at.startsWith(root) ? root.relativize(at) : at,
                        place.holds(), place.records() == null ? "" : String.format(Locale.ROOT, "%,d of them; ", place.records()),
                        reach(place.reach()), found(place.found()));
            }
            terminal.print("%,d places; what --json or --csv wrote elsewhere, and backups, are not among them", places.size());
        }

        private static String reach(Trace.Reach reach) {
            return switch (reach) {
                case ERASE -> "an erasure cleans it";
                case RUN -> "goes only with its folder";
                case ACCOUNT -> "kept as the account";
                case YOURS -> "yours to delete";
            };
        }

        private static String found(Trace.Found found) {
            return found == null ? "" : switch (found) {
                case YES -> "; FOUND";
                case NO -> "; not found";
                case CANNOT_TELL -> "; cannot be searched";
            };
        }
    }
}
