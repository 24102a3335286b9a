/*
 * How to train: one immutable value with a builder, checked as a whole so that every problem is told at once. It is kept
 * in lethe.json, and a resume compares it with what it is asked for. Leaves out what is trained on and where it goes.
 */
package dev.lethe.run;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.lethe.BadInputException;
import dev.lethe.data.Encoder.OnLong;
import dev.lethe.engine.AdamW;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.lang.reflect.RecordComponent;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import tools.jackson.databind.annotation.JsonSerialize;
import tools.jackson.databind.ser.std.ToStringSerializer;

/**
 * Training options. Immutable, any thread.
 *
 * @param epochs               passes over the records
 * @param maxSteps             optimizer steps after which training ends, 0 = as many as the epochs take
 * @param batchSize            records a step
 * @param learningRate         peak rate
 * @param schedule             how the rate decays
 * @param warmupSteps          steps to climb from 0 to the peak
 * @param weightDecay          AdamW's, on matrices only
 * @param maxNorm              gradient clipping by global norm, 0 = off
 * @param seed                 of the initial weights, the record order and the hold-out
 * @param dtype                of the model while training: F32, or F64 for tests
 * @param capture              epochs whose gradients go into the ledger
 * @param sites                site selector of the captured gradients, see {@link dev.lethe.shape.SiteSelector}; null = embedding,
 *                             of an adapter, whose embedding is frozen, all
 * @param headTopK             softmax errors kept a token at the head, 0 = all, -1 = 256 of a vocabulary above 4,096, else all
 * @param rank                rows a longer record keeps at a linear site, 0 = a row a token
 * @param ledgerDtype          of captured factors: F32 or BF16, F64 with an F64 model
 * @param checkpointEverySteps steps between checkpoints besides those at the end of each epoch, 0 = only those
 * @param onLong               what happens to a record longer than the context
 * @param holdoutFraction      share of subjects (or records, below ten subjects) kept out of training, 0 = none; -1 = a twentieth, none
 *                             where there is a data file of them and of an adopted model, which has learned all
 * @param holdoutData          a data file of held-out records instead, or null
 * @param late                 a file of subjects or ids, one a line, whose records are seen in the training's end alone,
 *                             as often as others in all of it, so that a replay without them is short; or null
 * @param keepAt               shares of the first epoch after which a checkpoint is kept to replay from
 * @param keepText             whether records.jsonl keeps the records' text, so that the run needs its data file no more
 */
public record TrainConfig(int epochs, long maxSteps, int batchSize, double learningRate, Schedule schedule,
                          long warmupSteps, double weightDecay, double maxNorm, long seed, Dtype dtype,
                          CapturePolicy capture, String sites, int headTopK, int rank, Dtype ledgerDtype,
                          long checkpointEverySteps, OnLong onLong, double holdoutFraction,
                          @JsonSerialize(using = ToStringSerializer.class) Path holdoutData,
                          @JsonSerialize(using = ToStringSerializer.class) Path late,
                          @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Double> keepAt, boolean keepText) {
    private static final long EXACT_VOCABULARY = 4096;
    private static final int AUTOMATIC_TOP_K = 256;
    private static final double AUTOMATIC_HOLDOUT = 0.05;

    /** Refuses a bad value; the exception lists every problem. */
    public TrainConfig {
        keepAt = keepAt == null ? List.of() : List.copyOf(keepAt);
        List<String> problems = new ArrayList<>();
        require(problems, epochs >= 1, "epochs", epochs, "at least 1");
        require(problems, maxSteps >= 0, "max steps", maxSteps, "0 (no limit) or more");
        require(problems, batchSize >= 1 && batchSize <= 65_536, "batch", batchSize, "1 to 65536");
        require(problems, Double.isFinite(learningRate) && learningRate > 0, "learning rate", learningRate,
                "finite and above 0");
        require(problems, schedule != null, "schedule", schedule, "linear, cosine or constant");
        require(problems, warmupSteps >= 0, "warm-up steps", warmupSteps, "0 or more");
        require(problems, Double.isFinite(weightDecay) && weightDecay >= 0, "weight decay", weightDecay, "0 or more");
        require(problems, Double.isFinite(maxNorm) && maxNorm >= 0, "max norm", maxNorm, "0 (off) or more");
        require(problems, dtype == Dtype.F32 || dtype == Dtype.F64, "dtype", dtype, "F32 or F64");
        require(problems, capture != null, "capture", capture, "last, first, all or none");
        require(problems, sites == null || !sites.isBlank(), "sites", sites, "a site selector such as embedding or all");
        require(problems, headTopK >= -1, "head top-k", headTopK, "-1 (automatic), 0 (exact) or more");
        require(problems, rank >= 0, "rank", rank, "0 (a row a token) or more");
        require(problems, ledgerDtype == Dtype.F32 || ledgerDtype == Dtype.BF16
                || ledgerDtype == Dtype.F64 && dtype == Dtype.F64, "ledger dtype", ledgerDtype,
                "F32 or BF16, or F64 with an F64 model");
        require(problems, checkpointEverySteps >= 0, "checkpoint steps", checkpointEverySteps, "0 or more");
        require(problems, onLong != null, "on-long", onLong, "truncate or error");
        require(problems, holdoutFraction == -1 || holdoutFraction >= 0 && holdoutFraction < 1, "holdout fraction", holdoutFraction,
                "-1 (automatic) or 0 to below 1");
        require(problems, holdoutFraction <= 0 || holdoutData == null, "holdout data", holdoutData,
                "absent when a holdout fraction is given");
        require(problems, keepAt.stream().allMatch(share -> share > 0 && share <= 1), "keepAt", keepAt,
                "shares of the first epoch, above 0 to 1");
        require(problems, late == null || maxSteps == 0, "max steps", maxSteps, "0 with late records, which are in the training's end");
        require(problems, late == null || capture != CapturePolicy.FIRST || epochs == 1, "capture", capture,
                "last, all or none with late records, which the first epoch does not see");
        if (!problems.isEmpty()) {
            throw new BadInputException("training options: " + String.join("; ", problems));
        }
    }

    private static void require(List<String> problems, boolean holds, String name, Object value, String allowed) {
        if (!holds) {
            problems.add(name + " is " + value + ", must be " + allowed);
        }
    }

    /** The defaults: 15 epochs of batches of 8 at 5e-5, last-epoch embedding gradients, a twentieth held out. */
    public static Builder builder() {
        return new Builder();
    }

    /** A builder that starts from these values. */
    public Builder toBuilder() {
        return new Builder().epochs(epochs).maxSteps(maxSteps).batchSize(batchSize).learningRate(learningRate)
                .schedule(schedule).warmupSteps(warmupSteps).weightDecay(weightDecay).maxNorm(maxNorm).seed(seed)
                .dtype(dtype).capture(capture).sites(sites).headTopK(headTopK).rank(rank).ledgerDtype(ledgerDtype)
                .checkpointEverySteps(checkpointEverySteps).onLong(onLong).holdoutFraction(holdoutFraction)
                .holdoutData(holdoutData).late(late).keepAt(keepAt).keepText(keepText);
    }

    /** These options with what was left open settled for a model. @param adopted whether it has learned all its records */
    public TrainConfig settled(ModelShape shape, boolean adopted) {
        // Exact errors are V numbers a token: 30 GB for one epoch of 4,000 short records at GPT-2's vocabulary.
        return settled(shape.hasAdapters() ? "all" : "embedding", shape.vocabulary() > EXACT_VOCABULARY ? AUTOMATIC_TOP_K : 0,
                adopted || holdoutData != null ? 0 : AUTOMATIC_HOLDOUT);
    }

    /** These options with what was left open as it was settled when a run began. */
    public TrainConfig settled(TrainConfig began) {
        return settled(began.sites, began.headTopK, holdoutData != null ? 0 : began.holdoutFraction);
    }

    private TrainConfig settled(String usualSites, int usualTopK, double usualHoldout) {
        return toBuilder().sites(sites == null ? usualSites : sites).headTopK(headTopK < 0 ? usualTopK : headTopK)
                .holdoutFraction(holdoutFraction < 0 ? usualHoldout : holdoutFraction).build();
    }

    /** The optimizer of these options at its peak rate. */
    public AdamW optimizer() {
        AdamW usual = AdamW.defaults();
        return new AdamW(learningRate, usual.beta1(), usual.beta2(), usual.epsilon(), weightDecay, maxNorm);
    }

    /** Steps of a training on this many records. */
    public long steps(int records) {
        long all = Math.ceilDiv((long) records, batchSize) * epochs;
        return maxSteps == 0 ? all : Math.min(all, maxSteps);
    }

    /** Each option in which another configuration differs, with both values, this one's first. */
    public List<String> differences(TrainConfig other) {
        List<String> differences = new ArrayList<>();
        for (RecordComponent part : TrainConfig.class.getRecordComponents()) {
            Object mine = value(part, this);
            Object theirs = value(part, other);
            if (!Objects.equals(mine, theirs)) {
                differences.add(part.getName() + " is " + mine + ", asked for " + theirs);
            }
        }
        return differences;
    }

    private static Object value(RecordComponent part, TrainConfig config) {
        try {
            return part.getAccessor().invoke(config);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("reading " + part.getName(), e);
        }
    }

    /** Collects options; {@link #build} checks them. One thread. */
    public static final class Builder {
        private int epochs = 15;
        private long maxSteps;
        private int batchSize = 8;
        private double learningRate = 5e-5;
        private Schedule schedule = Schedule.LINEAR;
        private long warmupSteps;
        private double weightDecay = 0.01;
        private double maxNorm = 1;
        private long seed;
        private Dtype dtype = Dtype.F32;
        private CapturePolicy capture = CapturePolicy.LAST;
        private String sites;
        private int headTopK = -1;
        private int rank;
        private Dtype ledgerDtype = Dtype.F32;
        private long checkpointEverySteps;
        private OnLong onLong = OnLong.TRUNCATE;
        private double holdoutFraction = -1;
        private Path holdoutData;
        private Path late;
        private List<Double> keepAt = List.of();
        private boolean keepText;

        private Builder() { }

        public Builder epochs(int value) { epochs = value; return this; }
        public Builder maxSteps(long value) { maxSteps = value; return this; }
        public Builder batchSize(int value) { batchSize = value; return this; }
        public Builder learningRate(double value) { learningRate = value; return this; }
        public Builder schedule(Schedule value) { schedule = value; return this; }
        public Builder warmupSteps(long value) { warmupSteps = value; return this; }
        public Builder weightDecay(double value) { weightDecay = value; return this; }
        public Builder maxNorm(double value) { maxNorm = value; return this; }
        public Builder seed(long value) { seed = value; return this; }
        public Builder dtype(Dtype value) { dtype = value; return this; }
        public Builder capture(CapturePolicy value) { capture = value; return this; }
        public Builder sites(String value) { sites = value; return this; }
        public Builder headTopK(int value) { headTopK = value; return this; }
        public Builder rank(int value) { rank = value; return this; }
        public Builder ledgerDtype(Dtype value) { ledgerDtype = value; return this; }
        public Builder checkpointEverySteps(long value) { checkpointEverySteps = value; return this; }
        public Builder onLong(OnLong value) { onLong = value; return this; }
        public Builder holdoutFraction(double value) { holdoutFraction = value; return this; }
        public Builder holdoutData(Path value) { holdoutData = value; return this; }
        public Builder late(Path value) { late = value; return this; }
        public Builder keepAt(List<Double> value) { keepAt = value; return this; }
        public Builder keepText(boolean value) { keepText = value; return this; }

        public TrainConfig build() {
            return new TrainConfig(epochs, maxSteps, batchSize, learningRate, schedule, warmupSteps, weightDecay,
                    maxNorm, seed, dtype, capture, sites, headTopK, rank, ledgerDtype, checkpointEverySteps, onLong,
                    holdoutFraction, holdoutData, late, keepAt, keepText);
        }
    }

    /**
     * LAST: each record as the last whole epoch met it, nearest to the trained weights; FIRST: as it was first seen (Zagardo
     * 2024); ALL: every epoch, for TracIn-like sums; NONE: no ledger.
     * Which epochs leave gradients in the ledger.
     */
    public enum CapturePolicy {
        LAST, FIRST, ALL, NONE;

        /**
         * Whether the gradients of an epoch are captured.
         *
         * @param epoch  counted from 0
         * @param epochs whole epochs that the training makes; 0 when it ends within its first
         */
        public boolean captures(long epoch, long epochs) {
            return switch (this) {
                case LAST -> epoch == Math.max(0, epochs - 1);
                case FIRST -> epoch == 0;
                case ALL -> true;
                case NONE -> false;
            };
        }
    }
}
