package dev.lethe.settings;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import dev.lethe.LetheException;
import dev.lethe.base.Problems;
import dev.lethe.settings.Strategy.Kind;
import dev.lethe.shape.ModelShape;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.annotation.JsonSerialize;
import tools.jackson.databind.ser.std.ToStringSerializer;

/**
 * How an erasure moves the weights, how far, and what it must not break. Immutable; change one value with the builder, and
 * start from {@link #of}, which has each strategy's own defaults.
 *
 * @param strategy      how the weights are moved
 * @param sites         selector of the sites that the strategy moves, as {@code SiteSelector} reads it; repair moves all sites;
 *                      null is the strategy's own choice ({@link #usualSites}), of an adapter, whose embedding is frozen, all
 * @param epochs        whose captured gradients; null is the strategy's own choice, and multi-epoch alone has another
 * @param tuning        the strategy's own numbers
 * @param fixed         steps without calibration; null is calibrated
 * @param iterative     rounds until the influence is gone, not until the reference is reached; null is to the reference
 * @param precondition  batches of retain records whose mean squared gradients scale an ascent's direction down; 0 = none
 * @param contrast      what is projected out of the forget direction; of ascents only, as the next two and {@code rate}
 * @param contrastSample retain records whose stored gradients span the contrast, at most 2,000
 * @param rate          first step length of the ascent as a share of the norm of the sites' weights, before backtracking
 * @param maxAscents    ascent steps after which the loop gives up
 * @param repair        AdamW steps on retain records after each ascent or objective step
 * @param polish        annealed repair steps after the reference is reached; −1 is a seventh of the training's, at least 100
 * @param match         weight, beside a repair step's loss, of how unlike the forget records' token losses are those of held-out records,
 *                      and of the loss of their beginnings with the ends of retain records, in a calibrated ascent's annealed end;
 *                      0 = none; −1 is 1 of the paper's ascents, none of others
 * @param hold         records of the text to keep, or of random tokens without any, on which each step of repair or objective is
 *                     held to what the model said before; 0 = none; −1 is 4, but without text to keep none of an objective, nor of a
 *                     model made from nothing, which knows nothing else
 * @param repairRate    peak learning rate of repair; 0 means the run's training rate, of a model made from nothing half of it
 * @param repairBudget  most repair steps ({@code precondition} counted in), and most steps of an objective,
 *                      as a share of the run's training steps
 * @param reference     what the forget loss is raised to
 * @param overshoot     share of the target by which one step may pass it before it is rolled back
 * @param retainGuard   most that the mean loss of sampled retain records may rise, nats a token, at the end
 * @param heldOutGuard  most that the held-out mean loss may rise, as a share, at the end
 * @param guardSample   retain records sampled for the guard
 * @param relearnSteps  steps of the relearning probe; 0 leaves it out
 * @param ignoreGuards  true writes the new run even when the reference was not reached or a guard broke, and says so in the
 *                      account: for studies
 * @param keepEntries   true leaves the source run's ledger as it is: for experiments, not for an erasure to sign
 * @param seed          of every sample drawn
 * @param copies        what becomes of learned records that are equal or nearly equal to a forgotten one; null refuses
 * @param keep          text besides the run's records that must stay known; null is none
 * @param factors       folder of all shards of the ledger's curvature, computed before for this erasure; null computes it
 * @param alternates    file of wrong answers to the records, as TOFU's perturbed sets have them: for altpo alone, which needs it
 */
@JsonIgnoreProperties({"harden", "live_contrast"}) // settings that are gone and stand in accounts of before
public record EraseConfig(Strategy strategy, @Nullable String sites, @Nullable Epochs epochs, Tuning tuning,
                          @Nullable FixedRate fixed, @Nullable Iterative iterative, int precondition, Contrast contrast,
                          int contrastSample, double rate, int maxAscents, int repair, int polish, double match, int hold,
                          double repairRate, double repairBudget, Reference reference, double overshoot, double retainGuard,
                          double heldOutGuard, int guardSample, int relearnSteps, boolean ignoreGuards, boolean keepEntries, long seed,
                          Copy.Rule copies, @Nullable Keep keep,
                          @JsonSerialize(using = ToStringSerializer.class) @Nullable Path factors,
                          @JsonSerialize(using = ToStringSerializer.class) @Nullable Path alternates) {

    private static final int HELD = 4;

    /**
     * Validates every value.
     *
     * @throws LetheException of code INPUT, listing all problems at once
     */
    public EraseConfig {
        copies = copies == null ? Copy.Rule.REFUSE : copies;
        Problems problems = new Problems();
        problems.require(precondition >= 0, "precondition", precondition, "at least 0");
        problems.require(contrastSample >= 1 && contrastSample <= 2000, "contrast_sample", contrastSample, "1 to 2000");
        problems.require(rate > 0 && rate <= 1, "rate", rate, "above 0, at most 1");
        problems.require(maxAscents >= 1, "max_ascents", maxAscents, "at least 1");
        problems.require(repair >= 0, "repair", repair, "at least 0");
        problems.require(polish >= -1, "polish", polish, "-1 (automatic) or more");
        problems.require(match == -1 || match >= 0 && match <= 100, "match", match, "-1 (automatic), 0 (none) to 100");
        problems.require(match <= 0 || strategy.kind() == Kind.ASCENT && fixed == null && iterative == null, "match", match,
                "0: only a calibrated ascent has an end that matches");
        problems.require(hold >= -1, "hold", hold, "-1 (automatic) or more");
        problems.require(repairRate >= 0 && repairRate < 1, "repair_rate", repairRate, "0 (automatic) to below 1");
        problems.require(repairBudget >= 0, "repair_budget", repairBudget, "at least 0");
        problems.require(overshoot > 0, "overshoot", overshoot, "above 0");
        problems.require(retainGuard > 0, "retain_guard", retainGuard, "above 0");
        problems.require(heldOutGuard > 0, "held_out_guard", heldOutGuard, "above 0");
        problems.require(guardSample >= 1, "guard_sample", guardSample, "at least 1");
        problems.require(relearnSteps >= 0, "relearn_steps", relearnSteps, "at least 0");
        requireUsed(problems, strategy, epochs, contrast);
        problems.require(precondition == 0 || strategy.kind() == Kind.ASCENT && fixed == null, "precondition", precondition,
                "0: only a calibrated ascent is scaled");
        requireSteps(problems, strategy, fixed, iterative);
        problems.require(keep == null || strategy.kind() != Kind.RETRAIN, "keep", keep, "none: " + strategy.label()
                + " learns the retain records alone");
        problems.require(factors == null || ledgerCurvature(tuning), "factors", factors, "none but with ledger_curvature=1");
        problems.require(alternates == null || strategy == Strategy.ALTPO, "alternates", alternates, "none but with altpo");
        problems.throwOfFields();
    }

    private static void requireUsed(Problems problems, Strategy strategy, Epochs epochs, Contrast contrast) {
        boolean own = epochs == null || strategy == Strategy.MULTI_EPOCH || epochs.equals(own(strategy));
        if (!own) {
            problems.add("epochs", "epochs is " + epochs + ", but " + strategy.label()
                    + " takes no other gradients than its own; multi-epoch takes those of any epoch");
        }
        if (contrast.kind() != Contrast.Kind.NONE && strategy.kind() != Kind.ASCENT) {
            problems.add("contrast", "contrast is " + contrast + ", but " + strategy.label()
                    + " follows no direction that it could be taken out of; allowed: none");
        }
    }

    private static void requireSteps(Problems problems, Strategy strategy, FixedRate fixed, Iterative iterative) {
        if (fixed != null && strategy.kind() == Kind.RETRAIN) {
            problems.add("fixed", "fixed is " + fixed + ", but " + strategy.label() + " takes the steps that the run's training took");
        }
        boolean renewed = strategy == Strategy.FRESH || strategy == Strategy.GAUSS_NEWTON;
        if (iterative != null && (!renewed || fixed != null)) {
            problems.add("iterative", "iterative is " + iterative + ", allowed with fresh and gauss-newton, which compute their direction"
                    + " anew, and without a fixed rate");
        }
    }

    /**
     * {@return what measured best on the demo and on TOFU: last epoch, embedding, preconditioned, repair, annealed end}
     */
    public static EraseConfig defaults() {
        return new Builder().build();
    }

    /**
     * {@return A strategy's own defaults: {@link #defaults} for the paper's ascents, the plain method for the comparators}
     *
     * @param strategy whose
     */
    public static EraseConfig of(Strategy strategy) {
        Builder builder = new Builder().strategy(strategy);
        if (strategy.alongGradients()) {
            return builder.build();
        }
        return builder.precondition(0).repair(0).polish(0).build();
    }

    /**
     * {@return the sites that a strategy moves in a model without adapters where none are named: of the paper's ascents the embedding}
     *
     * @param strategy whose
     */
    public static String usualSites(Strategy strategy) {
        return strategy.alongGradients() ? "embedding" : strategy == Strategy.RMU ? "mlp-output"
                : "all"; // its paper moves MLP outputs only
    }

    /**
     * {@return this configuration with its sites named, for a model of that shape}
     *
     * @param shape of the model
     */
    public EraseConfig settled(ModelShape shape) {
        return sites != null ? this : toBuilder().sites(shape.hasAdapters() ? "all" : usualSites(strategy)).build();
    }

    /**
     * {@return records on which a step is held to what the model said before: as asked for, else what measured best}
     *
     * @param alone whether what is trained knows nothing but the run's records: a model made from nothing, or an adapter
     */
    public int held(boolean alone) {
        return hold >= 0 ? hold : keep != null || strategy.kind() == Kind.ASCENT && !alone ? HELD : 0;
    }

    /** {@return weight with which the annealed end matches what was never seen: as asked for, else what measured best} */
    public double matched() {
        return match >= 0 ? match : strategy.alongGradients() && fixed == null && iterative == null ? 1 : 0;
    }

    /** {@return whether it takes captured gradients: for its direction, the contrast, or the curvature of the retain records} */
    public boolean usesLedger() {
        return strategy.usesLedger() || contrast.kind() != Contrast.Kind.NONE || ledgerCurvature();
    }

    /** {@return whether the curvature is of captured gradients} */
    public boolean ledgerCurvature() {
        return ledgerCurvature(tuning);
    }

    private static boolean ledgerCurvature(Tuning tuning) {
        return tuning.has(Parameter.LEDGER_CURVATURE) && tuning.get(Parameter.LEDGER_CURVATURE) == 1;
    }

    /** {@return the epochs whose captured gradients are taken: as asked for, else the strategy's own} */
    public Epochs storedEpochs() {
        return epochs != null ? epochs : own(strategy);
    }

    private static Epochs own(Strategy strategy) {
        return switch (strategy) {
            case FIRST_EPOCH -> Epochs.FIRST;
            case MULTI_EPOCH -> Epochs.ALL;
            default -> Epochs.LAST;
        };
    }

    /**
     * The paper's plain calibrated ascent: no contrast, no repair, and guards wide enough for what it does.
     *
     * @return the configuration
     */
    public static EraseConfig paper() {
        return new Builder().strategy(Strategy.FIRST_EPOCH).precondition(0).repair(0).polish(0).match(0).retainGuard(1e9)
                .heldOutGuard(1e9).build();
    }

    /** {@return A builder that starts from this configuration} */
    public Builder toBuilder() {
        return new Builder().strategy(strategy).sites(sites).epochs(epochs).tuned(tuning).fixed(fixed)
                .iterative(iterative).precondition(precondition).contrast(contrast).contrastSample(contrastSample)
                .rate(rate).maxAscents(maxAscents).repair(repair).polish(polish).match(match).hold(hold)
                .repairRate(repairRate).repairBudget(repairBudget).reference(reference)
                .overshoot(overshoot).retainGuard(retainGuard).heldOutGuard(heldOutGuard).guardSample(guardSample)
                .relearnSteps(relearnSteps).ignoreGuards(ignoreGuards).keepEntries(keepEntries).seed(seed)
                .copies(copies).keep(keep).factors(factors).alternates(alternates);
    }

    /** Collects changes to a configuration; each setter is documented at the record's component. Not thread-safe. */
    public static final class Builder {
        private Builder() { }

        private Strategy strategy = Strategy.LAST_EPOCH;
        private @Nullable String sites = null;
        private @Nullable Epochs epochs = null;
        private Tuning tuning = strategy.tuning();
        private @Nullable FixedRate fixed = null;
        private @Nullable Iterative iterative = null;
        private int precondition = 8;
        private Contrast contrast = Contrast.NONE;
        private int contrastSample = 256;
        private double rate = 0.02;
        private int maxAscents = 100;
        private int repair = 1;
        private int polish = -1;
        private double match = -1;
        private int hold = -1;
        private double repairRate = 0;
        private double repairBudget = 0.2;
        private Reference reference = new Reference.HeldOut();
        private double overshoot = 0.10;
        private double retainGuard = 0.5;
        private double heldOutGuard = 0.05;
        private int guardSample = 24;
        private int relearnSteps = 10;
        private boolean ignoreGuards = false;
        private boolean keepEntries = false;
        private long seed = 0;
        private Copy.Rule copies = Copy.Rule.REFUSE;
        private @Nullable Keep keep = null;
        private @Nullable Path factors = null;
        private @Nullable Path alternates = null;

        /** {@return this, with another {@link EraseConfig#strategy} and its own numbers}
         * @param value it */
        public Builder strategy(Strategy value) {
            tuning = value == strategy ? tuning : value.tuning();
            strategy = value;
            return this;
        }
        /** {@return this, with another {@link EraseConfig#sites}}
         * @param value it */
        public Builder sites(@Nullable String value) { sites = value; return this; }
        /** {@return this, with another {@link EraseConfig#epochs}}
         * @param value it */
        public Builder epochs(@Nullable Epochs value) { epochs = value; return this; }
        /** {@return this, with another value of one of the strategy's numbers}
         * @param parameter which
         * @param value it */
        public Builder tuning(Parameter parameter, double value) { tuning = tuning.with(parameter, value); return this; }
        private Builder tuned(Tuning value) { tuning = value; return this; }
        /** {@return this, with another {@link EraseConfig#fixed}}
         * @param value it */
        public Builder fixed(@Nullable FixedRate value) { fixed = value; return this; }
        /** {@return this, with another {@link EraseConfig#iterative}}
         * @param value it */
        public Builder iterative(@Nullable Iterative value) { iterative = value; return this; }
        /** {@return this, with another {@link EraseConfig#precondition}}
         * @param value it */
        public Builder precondition(int value) { precondition = value; return this; }
        /** {@return this, with another {@link EraseConfig#contrast}}
         * @param value it */
        public Builder contrast(Contrast value) { contrast = value; return this; }
        /** {@return this, with another {@link EraseConfig#contrastSample}}
         * @param value it */
        public Builder contrastSample(int value) { contrastSample = value; return this; }
        /** {@return this, with another {@link EraseConfig#rate}}
         * @param value it */
        public Builder rate(double value) { rate = value; return this; }
        /** {@return this, with another {@link EraseConfig#maxAscents}}
         * @param value it */
        public Builder maxAscents(int value) { maxAscents = value; return this; }
        /** {@return this, with another {@link EraseConfig#repair}}
         * @param value it */
        public Builder repair(int value) { repair = value; return this; }
        /** {@return this, with another {@link EraseConfig#polish}}
         * @param value it */
        public Builder polish(int value) { polish = value; return this; }

        /** {@return this, with another {@link EraseConfig#match}}
         * @param value of it */
        public Builder match(double value) { match = value; return this; }
        /** {@return this, with another {@link EraseConfig#hold}}
         * @param value it */
        public Builder hold(int value) { hold = value; return this; }
        /** {@return this, with another {@link EraseConfig#repairRate}}
         * @param value it */
        public Builder repairRate(double value) { repairRate = value; return this; }
        /** {@return this, with another {@link EraseConfig#repairBudget}}
         * @param value it */
        public Builder repairBudget(double value) { repairBudget = value; return this; }
        /** {@return this, with another {@link EraseConfig#reference}}
         * @param value it */
        public Builder reference(Reference value) { reference = value; return this; }
        /** {@return this, with another {@link EraseConfig#overshoot}}
         * @param value it */
        public Builder overshoot(double value) { overshoot = value; return this; }
        /** {@return this, with another {@link EraseConfig#retainGuard}}
         * @param value it */
        public Builder retainGuard(double value) { retainGuard = value; return this; }
        /** {@return this, with another {@link EraseConfig#heldOutGuard}}
         * @param value it */
        public Builder heldOutGuard(double value) { heldOutGuard = value; return this; }
        /** {@return this, with another {@link EraseConfig#guardSample}}
         * @param value it */
        public Builder guardSample(int value) { guardSample = value; return this; }
        /** {@return this, with another {@link EraseConfig#relearnSteps}}
         * @param value it */
        public Builder relearnSteps(int value) { relearnSteps = value; return this; }
        /** {@return this, with another {@link EraseConfig#ignoreGuards}}
         * @param value it */
        public Builder ignoreGuards(boolean value) { ignoreGuards = value; return this; }
        /** {@return this, with another {@link EraseConfig#keepEntries}}
         * @param value it */
        public Builder keepEntries(boolean value) { keepEntries = value; return this; }
        /** {@return this, with another {@link EraseConfig#seed}}
         * @param value it */
        public Builder seed(long value) { seed = value; return this; }
        /** {@return this, with another {@link EraseConfig#copies}}
         * @param value it */
        public Builder copies(Copy.Rule value) { copies = value; return this; }
        /** {@return this, with another {@link EraseConfig#keep}}
         * @param value it */
        public Builder keep(@Nullable Keep value) { keep = value; return this; }
        /** {@return this, with another {@link EraseConfig#factors}}
         * @param value it */
        public Builder factors(@Nullable Path value) { factors = value; return this; }
        /** {@return this, with another {@link EraseConfig#alternates}}
         * @param value it */
        public Builder alternates(@Nullable Path value) { alternates = value; return this; }

        /**
         * {@return the configuration}
         *
         * @throws LetheException of code INPUT, listing every value out of range
         */
        public EraseConfig build() {
            return new EraseConfig(strategy, sites, epochs, tuning, fixed, iterative, precondition, contrast, contrastSample,
                    rate, maxAscents, repair, polish, match, hold, repairRate, repairBudget, reference, overshoot, retainGuard,
                    heldOutGuard, guardSample, relearnSteps, ignoreGuards, keepEntries, seed, copies, keep, factors, alternates);
        }
    }
}
