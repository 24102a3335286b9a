package dev.lethe.cli;

import dev.lethe.Lethe;
import dev.lethe.base.BadInputException;
import dev.lethe.base.Settings;
import dev.lethe.base.Sizes;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import dev.lethe.model.Checkpoint;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunInfo.Adopted;
import dev.lethe.run.RunRecord;
import dev.lethe.settings.AdoptConfig;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.spec.FormSettings;
import dev.lethe.spec.TrainSettings;
import dev.lethe.train.Adopter;
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

    /** What is known of a training that was made elsewhere. */
    static final class AdoptOptions {
        static final List<String> NAMES = List.of("held_out", "epochs_trained", "batch", "rate_trained", "force");
        private static final int ASSUMED_EPOCHS = 3;

        private final ModelPlace place;
        private Path heldOut;
        private int epochs;
        private int batch = TrainConfig.builder().build().batchSize();
        private double rate;
        private boolean force;

        /** @param place has the base */
        AdoptOptions(ModelPlace place) {
            this.place = place;
        }

        void into(Settings settings) {
            settings.section("an adoption")
                    .text("held_out", "FILE", "", "Records like these that it never saw: what an erasure is held against, before the base",
                            value -> heldOut = Path.of(value))
                    .whole("epochs_trained", 0, "Epochs of that training, which an erasure's budget is a share of; 0 = not known, "
                            + ASSUMED_EPOCHS + " are assumed", value -> epochs = value)
                    .whole("batch", batch, "Records a step, then and now", value -> batch = value)
                    .number("rate_trained", "RATE", 0.0, "Peak rate of that training, which an erasure repairs with; 0 = the highest that"
                            + " does no harm, by trial", value -> rate = value)
                    .flag("force", "Adopt although the data does not look like what the model learned", value -> force = value);
        }

        /** @param model a model's folder or an adapter's */
        ModelSource.Pretrained source(Path model) {
            return Checkpoint.isAdapter(model) ? Checkpoint.adapter(model, place.base()) : ModelSource.checkpoint(model);
        }

        Adopter.Asked asked() {
            return new Adopter.Asked(place.base(), rate == 0, epochs == 0, force);
        }

        AdoptConfig config(TrainConfig.Builder kept) {
            return new AdoptConfig(with(kept).build(), place.base(), rate == 0, epochs == 0, force);
        }

        TrainConfig.Builder with(TrainConfig.Builder builder) {
            builder.epochs(epochs == 0 ? ASSUMED_EPOCHS : epochs).batchSize(batch).holdoutData(heldOut);
            return rate == 0 ? builder : builder.learningRate(rate);
        }
    }
}
