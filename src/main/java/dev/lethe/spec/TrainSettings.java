package dev.lethe.spec;

import dev.lethe.base.Settings;
import dev.lethe.settings.TrainConfig;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.settings.TrainConfig.OnLong;
import dev.lethe.shape.Dtype;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** The settings of a training and of what it captures, by name. */
public final class TrainSettings {
    private TrainSettings() { }

    /** Adds those of the training, which {@code to} is told. */
    public static void training(Settings settings, TrainConfig.Builder to) {
        TrainConfig usual = TrainConfig.builder().build();
        settings.section("the training")
                .whole("epochs", usual.epochs(), "Passes over the records", to::epochs)
                .wholeLong("max_steps", usual.maxSteps(), "Steps to end after; 0 = after the epochs", to::maxSteps)
                .whole("batch", usual.batchSize(), "Records a step", to::batchSize)
                .number("learning_rate", "RATE", usual.learningRate(), "Peak rate", to::learningRate)
                .choice("schedule", "NAME", usual.schedule(), "How the rate goes down: linear, cosine or constant", to::schedule)
                .wholeLong("warmup", usual.warmupSteps(), "Steps to climb to the peak rate", to::warmupSteps)
                .number("weight_decay", "X", usual.weightDecay(), "AdamW's", to::weightDecay)
                .number("max_norm", "X", usual.maxNorm(), "Gradient clipping; 0 = off", to::maxNorm)
                .choice("capture", "WHICH", CapturePolicy.LAST, "Epochs whose gradients are kept: last, first, all or none", to::capture)
                .text("holdout", "SHARE|FILE", "0.05", "Records never trained on, the reference of an erasure: a share of the"
                        + " subjects (of the records, below ten subjects) or a data file; 0 = none", value -> holdout(value, to))
                .wholeLong("checkpoint_every", 0, "Steps between checkpoints besides those at the end of each epoch; 0 = none",
                        to::checkpointEverySteps)
                .text("keep_at", "SHARE,SHARE", "", "Shares of the first epoch after which a checkpoint is kept to replay from, such as"
                        + " 0.25,0.5,1; with late one before its records is always kept", value -> to.keepAt(shares(value)))
                .text("late", "FILE", "", "Subjects or ids, one a line, that are learned in the training's last tenth alone, as often as"
                        + " the others in all of it: erasing them by strategy replay repeats only that",
                        value -> to.late(Path.of(value).toAbsolutePath().normalize()));
    }

    /** Adds those of what is kept of the records. */
    public static void capture(Settings settings, TrainConfig.Builder to) {
        settings.section("what is kept of the records")
                .text("sites", "SITES", "", "Where gradients are kept: embedding, all, block:0,1, attention, mlp, names or globs"
                        + " (default: embedding; of an adapter all)", to::sites)
                .whole("head_top_k", -1, "Softmax errors kept a token; 0 = all, -1 = 256 of a vocabulary above 4,096, else all",
                        to::headTopK)
                .whole("rank", 0, "Rows a record keeps at a linear site, the best by singular values; 0 = a row a token", to::rank)
                .choice("ledger_dtype", "TYPE", Dtype.F32, "Of what is kept: f32 or bf16", to::ledgerDtype, Dtype.F32, Dtype.BF16)
                .choice("on_long", "WHAT", OnLong.TRUNCATE, "A record longer than the context: truncate (the count is told) or error",
                        to::onLong)
                .flag("keep_text", "Keep the records' text in the run, so that it needs its data file no more", to::keepText)
                .wholeLong("seed", 0, "Of whatever is drawn: weights, order, held-out records", to::seed);
    }

    /** Adds where the keys are. */
    public static void keys(Settings settings, TrainConfig.Builder to) {
        settings.section("who can read it")
                .text("ledger_keys", "DIR", "", "Keep the gradients encrypted, each record's under a key of its own in this folder outside"
                        + " the run, which is made if need be: copies die with the keys (default: in the clear)",
                        value -> to.ledgerKeys(Path.of(value).toAbsolutePath().normalize()));
    }

    private static List<Double> shares(String value) {
        try {
            return Arrays.stream(value.split(",")).map(Double::valueOf).toList();
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("must be numbers with commas between them", e);
        }
    }

    private static void holdout(String value, TrainConfig.Builder to) {
        try {
            to.holdoutFraction(Double.parseDouble(value));
        } catch (NumberFormatException e) {
            to.holdoutData(Path.of(value));
        }
    }
}
