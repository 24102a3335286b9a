package dev.lethe.cli;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.MemoryPlan;
import dev.lethe.model.Lora;
import dev.lethe.train.CapturePolicy;
import dev.lethe.train.ModelSource;
import dev.lethe.train.RunFolder;
import dev.lethe.train.RunInfo;
import dev.lethe.train.Schedule;
import dev.lethe.train.TrainConfig;
import dev.lethe.train.Trainer;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/** lethe train: trains a model into a new run, capturing per-record gradients on the way; or goes on with one. */
@Command(name = "train", mixinStandardHelpOptions = true, sortOptions = false,
        description = "Trains a model on records into a new run and keeps each record's gradients for a later erasure.")
final class TrainCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Option(names = "--data", paramLabel = "FILE", description = "Records: .jsonl or .txt, also .gz.")
    private Path data;

    @Option(names = "--model", paramLabel = "DIR", description = "Start from this Hugging Face model folder.")
    private Path model;

    @Option(names = "--lora", paramLabel = "SPEC", description = "Train a new LoRA adapter on --model, which stays as it is:"
            + " r=16,alpha=32,targets=attention; targets are attention, mlp, all or names (default: r=16,alpha=2r,targets=all).")
    private String lora;

    @Option(names = "--adapter", paramLabel = "DIR", description = "Start from this LoRA adapter (peft's folder), over --model or the"
            + " base that it names.")
    private Path adapter;

    @Option(names = "--init", paramLabel = "SHAPE",
            description = "Start from random weights: gpt2, llama, qwen2, qwen3 or pythia[:layers=4,hidden=256,heads=4,kv=2,"
                    + "inner=688,ctx=128,vocab=50257,untied].")
    private String init;

    @Option(names = "--out", paramLabel = "RUN", required = true, description = "Folder of the new run.")
    private Path out;

    @Option(names = "--resume",
            description = "Go on with a training that was stopped, or find it complete; only --out is needed.")
    private boolean resume;

    @Option(names = "--epochs", paramLabel = "N", defaultValue = "15", description = "Default: ${DEFAULT-VALUE}.")
    private int epochs;

    @Option(names = "--max-steps", paramLabel = "N", defaultValue = "0",
            description = "End after N steps; 0 = after the epochs.")
    private long maxSteps;

    @Option(names = "--batch", paramLabel = "N", defaultValue = "8",
            description = "Records a step (default: ${DEFAULT-VALUE}).")
    private int batch;

    @Option(names = "--lr", paramLabel = "RATE", defaultValue = "5e-5",
            description = "Peak rate (default: ${DEFAULT-VALUE}).")
    private double rate;

    @Option(names = "--schedule", paramLabel = "NAME", defaultValue = "linear",
            description = "linear, cosine or constant.")
    private Schedule schedule;

    @Option(names = "--warmup", paramLabel = "N", defaultValue = "0", description = "Steps to climb to the peak rate.")
    private long warmup;

    @Option(names = "--weight-decay", paramLabel = "X", defaultValue = "0.01",
            description = "AdamW's (default: ${DEFAULT-VALUE}).")
    private double weightDecay;

    @Option(names = "--max-norm", paramLabel = "X", defaultValue = "1",
            description = "Gradient clipping; 0 = off (default: 1).")
    private double maxNorm;

    @Option(names = "--capture", paramLabel = "WHICH", defaultValue = "last",
            description = "Epochs whose gradients are kept: last, first, all or none (default: last).")
    private CapturePolicy capture;

    @Option(names = "--holdout", paramLabel = "SHARE|FILE", defaultValue = "0.05",
            description = "Records never trained on, the reference of an erasure: a share of the subjects (of the records,"
                    + " below ten subjects) or a data file; 0 = none (default: ${DEFAULT-VALUE}).")
    private String holdout;

    @Option(names = "--checkpoint-every", paramLabel = "N", defaultValue = "0",
            description = "Checkpoint every N steps besides after each epoch.")
    private long checkpointEvery;

    @Mixin
    private CaptureOptions kept;

    @Mixin
    private BaseOption base;

    @Mixin
    private DataOptions form;

    @Mixin
    private Hardware hardware;

    @Mixin
    private Common common;

    /** What --json gives. */
    record Result(String run, long steps, double finalLoss, int records, int heldOut, int truncated, double seconds,
                  double tokensPerSecond, String modelHash, RunInfo.Ledger ledger, MemoryPlan memory) {}

    @Override
    public Integer call() {
        Terminal terminal = main.terminal();
        base.use();
        if (data == null && !resume) {
            throw new BadInputException("--data FILE is missing: the records to train on");
        }
        try (Engine engine = hardware.open(); TrainProgress progress = new TrainProgress(terminal, common, "train")) {
            RunFolder run = resume ? resumed(engine, progress)
                    : Trainer.train(engine, source(), form.read(data, null), out, config(), progress);
            RunInfo info = run.info();
            if (progress.memory() == null) { // it was never started
                common.remark(terminal, "train: %s is complete, nothing was left to do", run.root());
            }
            Result result = new Result(run.root().toString(), info.result().steps(), info.result().finalLoss(),
                    info.data().records(), info.data().holdout(), info.data().truncated(), progress.seconds(),
                    progress.tokensPerSecond(), info.result().modelHash(), info.result().ledger(),
                    progress.memory());
            common.result(terminal, result, () -> print(terminal, result));
        }
        return 0;
    }

    private RunFolder resumed(Engine engine, TrainProgress progress) {
        return data == null ? Trainer.resume(engine, out, progress)
                : Trainer.resume(engine, out, config(), form.read(data, RunFolder.openAny(out)), progress);
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
        if (lora != null && adapter != null || (lora != null || adapter != null) && init != null || lora != null && model == null) {
            throw new BadInputException("--lora SPEC makes an adapter on --model DIR, --adapter DIR starts from one: give one of them,"
                    + " without --init");
        }
        if (lora != null || adapter != null) {
            return lora != null ? new ModelSource.Adapted(model, Lora.parse(lora)) : ModelSource.adapter(adapter, model);
        }
        if ((model == null) == (init == null)) {
            throw new BadInputException("say what to start from by exactly one of --model DIR and --init gpt2[:...] (or llama, qwen2,"
                    + " qwen3, pythia)");
        }
        return model != null ? ModelSource.checkpoint(model) : ModelSource.parse(init);
    }

    private TrainConfig config() {
        TrainConfig.Builder builder = TrainConfig.builder().epochs(epochs).maxSteps(maxSteps).batchSize(batch)
                .learningRate(rate).schedule(schedule).warmupSteps(warmup).weightDecay(weightDecay).maxNorm(maxNorm)
                .capture(capture).checkpointEverySteps(checkpointEvery);
        kept.with(builder);
        try {
            return builder.holdoutFraction(Double.parseDouble(holdout)).build();
        } catch (NumberFormatException e) {
            return builder.holdoutData(Path.of(holdout)).build();
        }
    }
}
