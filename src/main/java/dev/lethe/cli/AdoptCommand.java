package dev.lethe.cli;

import dev.lethe.Lethe;
import dev.lethe.base.BadInputException;
import dev.lethe.base.Sizes;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunInfo.Adopted;
import dev.lethe.run.RunRecord;
import dev.lethe.settings.TrainConfig;
import dev.lethe.spec.FormSettings;
import dev.lethe.spec.TrainSettings;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe adopt: makes a run of a model that was trained elsewhere, so that every command works on it. */
@Command(name = "adopt", description = {"Makes a run of a model that was trained elsewhere, and its records.",
    "One pass keeps each record's gradients, and what the training would have told is measured."})
final class AdoptCommand extends LetheCommand {
    private static final int SHOWN = 5;

    @Parameters(paramLabel = "RUN", description = "Folder of the new run.")
    private Path out;

    @Option(names = "--model", paramLabel = "DIR", description = "The model: a Hugging Face folder, or a LoRA adapter's.")
    private Path model;

    @Option(names = "--data", paramLabel = "FILE", description = "The records it was trained on: .jsonl or .txt, also .gz.")
    private Path data;

    @Option(names = "--resume", description = "Go on with an adoption that was stopped.")
    private boolean resume;

    private final TrainConfig.Builder kept = TrainConfig.builder();
    private final ModelPlace place = new ModelPlace();
    private final AdoptOptions known = new AdoptOptions(place);
    private final FormSettings form = new FormSettings();

    @Mixin
    private final SettingOptions settings = new SettingOptions(all -> {
        known.into(all);
        TrainSettings.capture(all, kept);
        TrainSettings.keys(all, kept);
        form.into(all);
        place.into(all);
    }, "held_out", "base", "epochs_trained", "rate_trained", "batch", "sites", "device");

    /** What --json gives. */
    record Result(String run, int records, int heldOut, int truncated, double learningRate, int epochs, Adopted adopted,
                  List<String> notLearned, double seconds, double tokensPerSecond, String modelHash, RunInfo.Ledger ledger) {
        static Result of(RunFolder run, TrainProgress progress) {
            RunInfo info = run.info();
            return new Result(run.root().toString(), info.data().records(), info.data().holdout(), info.data().truncated(),
                    info.config().learningRate(), info.config().epochs(), info.adopted(),
                    run.records().stream().filter(record -> record.unlearned() != null).map(RunRecord::id).toList(),
                    progress.seconds(), progress.tokensPerSecond(), info.result().modelHash(), info.result().ledger());
        }
    }

    @Override
    protected void work() {
        if (!resume && (model == null || data == null)) {
            throw new BadInputException("--model DIR or --data FILE is missing: a model and the records it was trained on");
        }
        try (TrainProgress progress = new TrainProgress(this, "adopt"); Lethe lethe = Main.door(place).training(progress).build()) {
            RunFolder run = RunFolder.open((resume ? lethe.resume(out) : lethe.adopt(known.source(model), form.read(data, null), out,
                    known.config(kept))).join().path());
            if (run.info().adopted() == null) {
                throw new BadInputException(out + ": was trained by Lethe, not adopted; see train --resume");
            }
            Result result = Result.of(run, progress);
            result(result, terminal -> print(terminal, result));
        }
    }

    static void print(Terminal terminal, Result result) {
        Adopted adopted = result.adopted;
        terminal.print("run        %s", result.run);
        terminal.print("records    %,d, %,d held out, %,d cut to the context", result.records, result.heldOut, result.truncated);
        terminal.print("loss       %.3f of the records%s%s", adopted.loss(),
                adopted.heldOutLoss() == null ? "" : String.format(Locale.ROOT, ", %.3f held out", adopted.heldOutLoss()),
                adopted.baseLoss() == null ? "" : String.format(Locale.ROOT, ", %.3f under the base", adopted.baseLoss()));
        terminal.print("training   %d epochs%s, rate %.1e%s", result.epochs, adopted.epochsAssumed() ? " (assumed)" : "",
                result.learningRate, adopted.rateMeasured() ? " (by trial)" : "");
        if (!result.notLearned.isEmpty()) {
            terminal.print("unlearned  %,d records the model knows no better than ones it never saw: %s%s", result.notLearned.size(),
                    String.join(", ", result.notLearned.subList(0, Math.min(SHOWN, result.notLearned.size()))),
                    result.notLearned.size() > SHOWN ? ", ..." : "");
        }
        terminal.print("ledger     %,d entries, %s, %s", result.ledger.entries(), Sizes.of(result.ledger.bytes()),
                result.ledger.dtype().toString().toLowerCase(Locale.ROOT));
        terminal.print("time       %.1f s, %,.0f tokens/s", result.seconds, result.tokensPerSecond);
    }
}
