package dev.lethe.cli;

import dev.lethe.data.Dataset;
import dev.lethe.data.OnLong;
import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Dtype;
import dev.lethe.engine.Engine;
import dev.lethe.engine.MemoryPlan;
import dev.lethe.model.Checkpoint;
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
    private static final long EXACT_VOCABULARY = 4096;
    private static final int AUTOMATIC_TOP_K = 256;

    @ParentCommand
    private Main main;

    @Option(names = "--data", paramLabel = "FILE", description = "Records: .jsonl or .txt, also .gz.")
    private Path data;

    @Option(names = "--model", paramLabel = "DIR", description = "Start from this Hugging Face model folder.")
    private Path model;

    @Option(names = "--init", paramLabel = "SHAPE",
            description = "Start from random weights: gpt2, llama, qwen2, qwen3 or pythia[:layers=4,hidden=256,heads=4,kv=2,inner=688,ctx=128,vocab=50257,untied].")
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

    @Option(names = "--sites", paramLabel = "SITES", defaultValue = "embedding",
            description = "Where gradients are kept: embedding, all, block:0,1, attention, mlp, names or globs (default: embedding).")
    private String sites;

    @Option(names = "--head", paramLabel = "POLICY", defaultValue = "auto",
            description = "Softmax errors kept: exact, topk:256 a token, or auto: topk:256 for a vocabulary above 4,096,"
                    + " exact below (default: auto).")
    private String head;

    @Option(names = "--rank", paramLabel = "R", defaultValue = "0",
            description = "Rows a record keeps at a linear site, the best by singular values; 0 = a row a token (default: 0).")
    private int rank;

    @Option(names = "--ledger-dtype", paramLabel = "TYPE", defaultValue = "f32",
            description = "f32 or bf16 (default: f32).")
    private Dtype ledgerDtype;

    @Option(names = "--holdout", paramLabel = "SHARE|FILE", defaultValue = "0.05",
            description = "Records never trained on, the reference of an erasure: a share of the subjects (of the records,"
                    + " below ten subjects) or a data file; 0 = none (default: ${DEFAULT-VALUE}).")
    private String holdout;

    @Option(names = "--on-long", paramLabel = "WHAT", defaultValue = "truncate",
            description = "A record longer than the context: truncate (the count is told) or error.")
    private OnLong onLong;

    @Option(names = "--checkpoint-every", paramLabel = "N", defaultValue = "0",
            description = "Checkpoint every N steps besides after each epoch.")
    private long checkpointEvery;

    @Option(names = "--keep-text",
            description = "Keep the records' text in the run, so that it needs its data file no more.")
    private boolean keepText;

    @Option(names = "--seed", paramLabel = "N", defaultValue = "0", description = "Of weights, order and hold-out.")
    private long seed;

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
        if (data == null && !resume) {
            throw new BadInputException("--data FILE is missing: the records to train on");
        }
        try (Engine engine = hardware.open(); TrainProgress progress = new TrainProgress(terminal, common, "train")) {
            RunFolder run = resume ? resumed(engine, progress)
                    : Trainer.train(engine, source(), Dataset.read(data), out, config(), progress);
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
                : Trainer.resume(engine, out, config(), Dataset.read(data), progress);
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
        if ((model == null) == (init == null)) {
            throw new BadInputException("say what to start from by exactly one of --model DIR and --init gpt2[:...] (or llama, qwen2, qwen3, pythia)");
        }
        return model != null ? ModelSource.checkpoint(model) : ModelSource.parse(init);
    }

    private TrainConfig config() {
        TrainConfig.Builder builder = TrainConfig.builder().epochs(epochs).maxSteps(maxSteps).batchSize(batch)
                .learningRate(rate).schedule(schedule).warmupSteps(warmup).weightDecay(weightDecay).maxNorm(maxNorm)
                .capture(capture).sites(sites).headTopK(headTopK()).rank(rank).ledgerDtype(ledgerDtype).onLong(onLong)
                .checkpointEverySteps(checkpointEvery).keepText(keepText).seed(seed);
        try {
            return builder.holdoutFraction(Double.parseDouble(holdout)).build();
        } catch (NumberFormatException e) {
            return builder.holdoutData(Path.of(holdout)).build();
        }
    }

    private int headTopK() {
        if (head.equals("exact")) {
            return 0;
        }
        if (head.equals("auto")) {
            return resume ? RunFolder.openAny(out).info().config().headTopK() : automaticTopK(source());
        }
        if (!head.matches("topk:[1-9][0-9]{0,8}")) {
            throw new BadInputException("--head " + head + ": write auto, exact or topk:K, for example topk:256");
        }
        return Integer.parseInt(head.substring("topk:".length()));
    }

    /** Exact errors are V numbers a token: 30 GB for one epoch of 4,000 short records at GPT-2's vocabulary. */
    private static int automaticTopK(ModelSource source) {
        long vocabulary = switch (source) {
            case ModelSource.Fresh fresh -> fresh.shape().vocabulary();
            case ModelSource.Pretrained pretrained -> Checkpoint.config(pretrained.folder()).shape().vocabulary();
        };
        return vocabulary > EXACT_VOCABULARY ? AUTOMATIC_TOP_K : 0;
    }
}
