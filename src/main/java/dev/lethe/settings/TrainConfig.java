/*
 * How to train: one immutable value with a builder, checked as a whole so that every problem is told at once. It is kept
 * in lethe.json, and a resume compares it with what it is asked for. Leaves out what is trained on and where it goes.
 */
package dev.lethe.settings;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.lethe.base.Problems;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.lang.reflect.RecordComponent;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
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
 * @param ledgerKeys           folder of the keys that the captured gradients lie under, outside of the run; null: in the clear
 */
public record TrainConfig(int epochs, long maxSteps, int batchSize, double learningRate, Schedule schedule,
                          long warmupSteps, double weightDecay, double maxNorm, long seed, Dtype dtype,
                          CapturePolicy capture, @Nullable String sites, int headTopK, int rank, Dtype ledgerDtype,
                          long checkpointEverySteps, OnLong onLong, double holdoutFraction,
                          @JsonSerialize(using = ToStringSerializer.class) @Nullable Path holdoutData,
                          @JsonSerialize(using = ToStringSerializer.class) @Nullable Path late,
                          @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Double> keepAt, boolean keepText,
                          @JsonInclude(JsonInclude.Include.NON_NULL) @JsonSerialize(using = ToStringSerializer.class)
                          @Nullable Path ledgerKeys) {
    private static final long EXACT_VOCABULARY = 4096;
    private static final int AUTOMATIC_TOP_K = 256;
    private static final double AUTOMATIC_HOLDOUT = 0.05;

    /** Refuses a bad value; the exception lists every problem. */
    public TrainConfig {
        keepAt = keepAt == null ? List.of() : List.copyOf(keepAt);
        Problems problems = new Problems();
        problems.require(epochs >= 1, "epochs", epochs, "at least 1");
        problems.require(maxSteps >= 0, "max_steps", maxSteps, "0 (no limit) or more");
        problems.require(batchSize >= 1 && batchSize <= 65_536, "batch", batchSize, "1 to 65536");
        problems.require(Double.isFinite(learningRate) && learningRate > 0, "learning_rate", learningRate,
                "finite and above 0");
        problems.require(schedule != null, "schedule", schedule, "linear, cosine or constant");
        problems.require(warmupSteps >= 0, "warmup", warmupSteps, "0 or more");
        problems.require(Double.isFinite(weightDecay) && weightDecay >= 0, "weight_decay", weightDecay, "0 or more");
        problems.require(Double.isFinite(maxNorm) && maxNorm >= 0, "max_norm", maxNorm, "0 (off) or more");
        problems.require(dtype == Dtype.F32 || dtype == Dtype.F64, "dtype", dtype, "F32 or F64");
        problems.require(capture != null, "capture", capture, "last, first, all or none");
        problems.require(sites == null || !sites.isBlank(), "sites", sites, "a site selector such as embedding or all");
        problems.require(headTopK >= -1, "head_top_k", headTopK, "-1 (automatic), 0 (exact) or more");
        problems.require(rank >= 0, "rank", rank, "0 (a row a token) or more");
        problems.require(ledgerDtype == Dtype.F32 || ledgerDtype == Dtype.BF16
                || ledgerDtype == Dtype.F64 && dtype == Dtype.F64, "ledger_dtype", ledgerDtype,
                "F32 or BF16, or F64 with an F64 model");
        problems.require(checkpointEverySteps >= 0, "checkpoint_every", checkpointEverySteps, "0 or more");
        problems.require(onLong != null, "on_long", onLong, "truncate or error");
        problems.require(holdoutFraction == -1 || holdoutFraction >= 0 && holdoutFraction < 1, "holdout", holdoutFraction,
                "-1 (automatic) or 0 to below 1");
        problems.require(holdoutFraction <= 0 || holdoutData == null, "holdout", holdoutData,
                "absent when a holdout fraction is given");
        problems.require(keepAt.stream().allMatch(share -> share > 0 && share <= 1), "keep_at", keepAt,
                "shares of the first epoch, above 0 to 1");
        problems.require(late == null || maxSteps == 0, "max_steps", maxSteps, "0 with late records, which are in the training's end");
        problems.require(late == null || capture != CapturePolicy.FIRST || epochs == 1, "capture", capture,
                "last, all or none with late records, which the first epoch does not see");
        problems.throwOfFields();
    }

    /**
     * {@return the defaults: 15 epochs of batches of 8 at 5e-5, last-epoch embedding gradients, a twentieth held out}
     */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return A builder that starts from these values} */
    public Builder toBuilder() {
        return new Builder().epochs(epochs).maxSteps(maxSteps).batchSize(batchSize).learningRate(learningRate)
                .schedule(schedule).warmupSteps(warmupSteps).weightDecay(weightDecay).maxNorm(maxNorm).seed(seed)
                .dtype(dtype).capture(capture).sites(sites).headTopK(headTopK).rank(rank).ledgerDtype(ledgerDtype)
                .checkpointEverySteps(checkpointEverySteps).onLong(onLong).holdoutFraction(holdoutFraction)
                .holdoutData(holdoutData).late(late).keepAt(keepAt).keepText(keepText).ledgerKeys(ledgerKeys);
    }

    /**
     * {@return these options with what was left open settled for a model}
     *
     * @param adopted whether it has learned all its records
     * @param shape of the model
     */
    public TrainConfig settled(ModelShape shape, boolean adopted) {
        // Exact errors are V numbers a token: 30 GB for one epoch of 4,000 short records at GPT-2's vocabulary.
        return settled(shape.hasAdapters() ? "all" : "embedding", shape.vocabulary() > EXACT_VOCABULARY ? AUTOMATIC_TOP_K : 0,
                adopted || holdoutData != null ? 0 : AUTOMATIC_HOLDOUT);
    }

    /**
     * {@return these options with what was left open as it was settled when a run began}
     *
     * @param began settings of the training
     */
    public TrainConfig settled(TrainConfig began) {
        return settled(began.sites, began.headTopK, holdoutData != null ? 0 : began.holdoutFraction);
    }

    private TrainConfig settled(String usualSites, int usualTopK, double usualHoldout) {
        return toBuilder().sites(sites == null ? usualSites : sites).headTopK(headTopK < 0 ? usualTopK : headTopK)
                .holdoutFraction(holdoutFraction < 0 ? usualHoldout : holdoutFraction).build();
    }

    /**
     * Steps of a training on this many records.
     *
     * @param records learned
     * @return steps
     */
    public long steps(int records) {
        long all = Math.ceilDiv((long) records, batchSize) * epochs;
        return maxSteps == 0 ? all : Math.min(all, maxSteps);
    }

    /**
     * {@return each option in which another configuration differs, with both values, this one's first}
     *
     * @param other settings to compare with
     */
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
        private @Nullable String sites;
        private int headTopK = -1;
        private int rank;
        private Dtype ledgerDtype = Dtype.F32;
        private long checkpointEverySteps;
        private OnLong onLong = OnLong.TRUNCATE;
        private double holdoutFraction = -1;
        private @Nullable Path holdoutData;
        private @Nullable Path late;
        private List<Double> keepAt = List.of();
        private boolean keepText;
        private @Nullable Path ledgerKeys;

        private Builder() { }

        /** {@return this, with another {@link TrainConfig#epochs}}
         * @param value it */
        public Builder epochs(int value) { epochs = value; return this; }
        /** {@return this, with another {@link TrainConfig#maxSteps}}
         * @param value it */
        public Builder maxSteps(long value) { maxSteps = value; return this; }
        /** {@return this, with another {@link TrainConfig#batchSize}}
         * @param value it */
        public Builder batchSize(int value) { batchSize = value; return this; }
        /** {@return this, with another {@link TrainConfig#learningRate}}
         * @param value it */
        public Builder learningRate(double value) { learningRate = value; return this; }
        /** {@return this, with another {@link TrainConfig#schedule}}
         * @param value it */
        public Builder schedule(Schedule value) { schedule = value; return this; }
        /** {@return this, with another {@link TrainConfig#warmupSteps}}
         * @param value it */
        public Builder warmupSteps(long value) { warmupSteps = value; return this; }
        /** {@return this, with another {@link TrainConfig#weightDecay}}
         * @param value it */
        public Builder weightDecay(double value) { weightDecay = value; return this; }
        /** {@return this, with another {@link TrainConfig#maxNorm}}
         * @param value it */
        public Builder maxNorm(double value) { maxNorm = value; return this; }
        /** {@return this, with another {@link TrainConfig#seed}}
         * @param value it */
        public Builder seed(long value) { seed = value; return this; }
        /** {@return this, with another {@link TrainConfig#dtype}}
         * @param value it */
        public Builder dtype(Dtype value) { dtype = value; return this; }
        /** {@return this, with another {@link TrainConfig#capture}}
         * @param value it */
        public Builder capture(CapturePolicy value) { capture = value; return this; }
        /** {@return this, with another {@link TrainConfig#sites}}
         * @param value it */
        public Builder sites(@Nullable String value) { sites = value; return this; }
        /** {@return this, with another {@link TrainConfig#headTopK}}
         * @param value it */
        public Builder headTopK(int value) { headTopK = value; return this; }
        /** {@return this, with another {@link TrainConfig#rank}}
         * @param value it */
        public Builder rank(int value) { rank = value; return this; }
        /** {@return this, with another {@link TrainConfig#ledgerDtype}}
         * @param value it */
        public Builder ledgerDtype(Dtype value) { ledgerDtype = value; return this; }
        /** {@return this, with another {@link TrainConfig#checkpointEverySteps}}
         * @param value it */
        public Builder checkpointEverySteps(long value) { checkpointEverySteps = value; return this; }
        /** {@return this, with another {@link TrainConfig#onLong}}
         * @param value it */
        public Builder onLong(OnLong value) { onLong = value; return this; }
        /** {@return this, with another {@link TrainConfig#holdoutFraction}}
         * @param value it */
        public Builder holdoutFraction(double value) { holdoutFraction = value; return this; }
        /** {@return this, with another {@link TrainConfig#holdoutData}}
         * @param value it */
        public Builder holdoutData(@Nullable Path value) { holdoutData = value; return this; }
        /** {@return this, with another {@link TrainConfig#late}}
         * @param value it */
        public Builder late(@Nullable Path value) { late = value; return this; }
        /** {@return this, with another {@link TrainConfig#keepAt}}
         * @param value it */
        public Builder keepAt(List<Double> value) { keepAt = value; return this; }
        /** {@return this, with another {@link TrainConfig#keepText}}
         * @param value it */
        public Builder keepText(boolean value) { keepText = value; return this; }
        /** {@return this, with another {@link TrainConfig#ledgerKeys}}
         * @param value it */
        public Builder ledgerKeys(@Nullable Path value) { ledgerKeys = value; return this; }

        /**
         * {@return the configuration}
         *
         * @throws dev.lethe.LetheException of code INPUT, listing every value out of range
         */
        public TrainConfig build() {
            return new TrainConfig(epochs, maxSteps, batchSize, learningRate, schedule, warmupSteps, weightDecay,
                    maxNorm, seed, dtype, capture, sites, headTopK, rank, ledgerDtype, checkpointEverySteps, onLong,
                    holdoutFraction, holdoutData, late, keepAt, keepText, ledgerKeys);
        }
    }

    /** Which epochs leave gradients in the ledger. */
    public enum CapturePolicy {
        /** Each record as the last whole epoch met it, nearest to the trained weights. */
        LAST,
        /** As it was first seen (Zagardo 2024). */
        FIRST,
        /** Every epoch, for TracIn-like sums. */
        ALL,
        /** No ledger. */
        NONE;

        /**
         * {@return whether the gradients of an epoch are captured}
         *
         * @param epoch counted from 0
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

    /** What to do with a record that has more tokens than the model's context. */
    public enum OnLong {
        /** Keep its beginning and count it. */
        TRUNCATE,
        /** Refuse the data, listing every such record. */
        ERROR
    }
}
