package dev.lethe.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.lethe.BadInputException;
import dev.lethe.DamagedDataException;
import dev.lethe.base.Reason;
import dev.lethe.console.Common;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.LedgerCheck;
import dev.lethe.model.Checkpoint;
import dev.lethe.run.PendingErasureException;
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
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe inspect: what a folder is, and whether it is whole: every byte of weights and ledger is read, and compared. */
@Command(name = "inspect", description = {"Says what a run, a ledger or a checkpoint holds, and whether it is whole.",
    "Exit code 4 when it is not."})
final class InspectCommand implements Callable<Integer> {
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

    @Mixin
    private Common common;

    /** What --json gives; parts that the path does not have are left out. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Result(String path, String kind, boolean whole, List<String> problems, RunInfo run, ModelPart model,
                  LedgerView ledger) {}

    record ModelPart(ModelShape shape, long parameters, String sha256) {}

    @Override
    public Integer call() {
        settings.apply();
        if (!Files.exists(path)) {
            throw new BadInputException(path + ": there is no such file or folder");
        }
        place.useBase();
        if (personal) {
            PersonalData data = PersonalData.of(path, find);
            common.result(data, terminal -> data.print(terminal));
            return 0;
        }
        if (!find.isEmpty()) {
            throw new BadInputException("--find goes with --personal");
        }
        List<String> problems = new ArrayList<>();
        Result result = inspect(problems);
        common.result(result, terminal -> print(terminal, result));
        return problems.isEmpty() ? 0 : Main.DAMAGED;
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
}
