package dev.lethe.cli;

import dev.lethe.Job;
import dev.lethe.Lethe;
import dev.lethe.Run;
import dev.lethe.base.BadInputException;
import dev.lethe.base.Settings;
import dev.lethe.base.Sizes;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.RankChoice;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import dev.lethe.data.Dataset;
import dev.lethe.model.Checkpoint;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.settings.Lora;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.MemoryPlan;
import dev.lethe.spec.FormSettings;
import dev.lethe.spec.TrainSettings;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Set;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe train: trains a model into a new run, capturing per-record gradients on the way; or goes on with one. */
@Command(name = "train", description = "Trains a model on records and keeps each record's gradients for a later erasure.")
final class TrainCommand extends LetheCommand {
    @Parameters(paramLabel = "RUN", description = "Folder of the new run.")
    private Path out;

    @Option(names = "--data", paramLabel = "FILE", description = "Records: .jsonl or .txt, also .gz.")
    private Path data;

    @Option(names = "--model", paramLabel = "DIR|SHAPE", description = "Start from this Hugging Face folder or LoRA adapter (peft's), or"
            + " from random weights: gpt2, llama, qwen2, qwen3 or pythia"
            + "[:layers=4,hidden=256,heads=4,kv=2,inner=688,ctx=128,vocab=50257,untied].")
    private String model;

    @Option(names = "--lora", paramLabel = "SPEC", description = "Train a new LoRA adapter on --model, which stays as it is:"
            + " r=16,alpha=32,targets=attention (or mlp, all, names).")
    private String lora;

    @Option(names = "--resume", description = "Go on with a training that was stopped, or find it complete.")
    private boolean resume;

    private final TrainConfig.Builder config = TrainConfig.builder();
    private final FormSettings form = new FormSettings();
    private final ModelPlace place = new ModelPlace();

    @Mixin
    private final SettingOptions settings = new SettingOptions(all -> {
        TrainSettings.training(all, config);
        TrainSettings.capture(all, config);
        TrainSettings.keys(all, config);
        form.into(all);
        place.into(all);
    }, "epochs", "batch", "learning_rate", "capture", "sites", "holdout", "device");

    @Mixin
    private RankChoice ranks;

    /** What --json gives. */
    record Result(String run, long steps, double finalLoss, int records, int heldOut, int truncated, double seconds,
                  double tokensPerSecond, String modelHash, RunInfo.Ledger ledger, MemoryPlan memory) {}

    @Override
    protected void work() {
        if (data == null && !resume) {
            throw new BadInputException("--data FILE is missing: the records to train on");
        }
        if (resume) {
            refuseBesideResume();
        }
        ranks.require("train");
        Function<Lethe, Job<Run>> training = resume ? resumed() : begun(); // read before ranks join and wait for each other
        boolean follows = ranks.follows();
        try (TrainProgress progress = new TrainProgress(this, "train");
                Lethe lethe = Main.door(place).ranks(ranks.asked()).training(progress).build()) {
            if (follows) {
                terminal().mute(); // from here on the first rank says what went wrong on this one too
            }
            Path run = training.apply(lethe).join().path();
            if (follows) {
                return; // the first rank hands the result over
            }
            RunInfo info = RunFolder.open(run).info();
            if (progress.memory() == null) { // it was never started
                remark("train: %s is complete, nothing was left to do", run);
            }
            Result result = new Result(run.toString(), info.result().steps(), info.result().finalLoss(),
                    info.data().records(), info.data().holdout(), info.data().truncated(), progress.seconds(),
                    progress.tokensPerSecond(), info.result().modelHash(), info.result().ledger(),
                    progress.memory());
            result(result, terminal -> print(terminal, result));
        }
    }

    /** A training goes on as it was begun; what it is told besides would be dropped, or with its data compared. */
    private void refuseBesideResume() {
        Set<String> unused = new LinkedHashSet<>(data == null ? settings.given().keySet() : Set.of());
        Settings machine = new Settings();
        place.into(machine);
        machine.list().forEach(setting -> unused.remove(setting.name()));
        if (model != null) {
            unused.add("--model");
        }
        if (lora != null) {
            unused.add("--lora");
        }
        if (!unused.isEmpty()) {
            throw new BadInputException("a training is resumed as it was begun, so these count for nothing beside --resume: "
                    + String.join(", ", unused) + "; leave them out, or have settings compared by giving --data too");
        }
    }

    private Function<Lethe, Job<Run>> begun() {
        ModelSource source = source();
        Dataset records = form.read(data, null);
        TrainConfig asked = config.build();
        return lethe -> lethe.train(source, records, out, asked);
    }

    private Function<Lethe, Job<Run>> resumed() {
        if (data == null) {
            return lethe -> lethe.resume(out);
        }
        Dataset records = form.read(data, RunFolder.openAny(out).info().data().form());
        TrainConfig expected = config.build();
        return lethe -> lethe.resume(out, expected, records);
    }

    private static void print(Terminal terminal, Result result) {
        terminal.print("run        %s", result.run);
        terminal.print("steps      %,d, loss of the last batch %.3f", result.steps, result.finalLoss);
        terminal.print("records    %,d learned, %,d held out, %,d cut to the context", result.records, result.heldOut,
                result.truncated);
        if (result.ledger != null) {
            terminal.print("ledger     %,d entries, %s, %s, %s", result.ledger.entries(), Sizes.of(result.ledger.bytes()),
                    result.ledger.sites().size() > 4 ? result.ledger.sites().size() + " sites"
                            : String.join(" ", result.ledger.sites()),
                    result.ledger.dtype().toString().toLowerCase(Locale.ROOT));
        }
        if (result.memory != null) {
            terminal.print("time       %.1f s, %,.0f tokens/s", result.seconds, result.tokensPerSecond);
        }
    }

    private ModelSource source() {
        if (model == null) {
            throw new BadInputException("say what to start from by --model: a Hugging Face folder, an adapter's, or a shape for random"
                    + " weights such as gpt2:layers=4,hidden=256");
        }
        Path folder = Path.of(model);
        if (Checkpoint.isCheckpoint(folder) || !ModelSource.isFresh(model) && !model.contains(":")) {
            return lora != null ? new ModelSource.Adapted(folder, Lora.parse(lora)) : Checkpoint.isAdapter(folder)
                    ? Checkpoint.adapter(folder, place.base()) : ModelSource.checkpoint(folder);
        }
        if (lora != null) {
            throw new BadInputException("--lora SPEC makes an adapter on a model that is there, and --model " + model + " is a shape");
        }
        return ModelSource.parse(model);
    }
}
