package dev.lethe.settings;

import dev.lethe.settings.Strategy.Kind;
import dev.lethe.shape.ModelShape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
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
 * @param tuning        numbers of particular strategies
 * @param fixed         steps without calibration; null is calibrated
 * @param iterative     rounds until the influence is gone, not until the reference is reached; null is to the reference
 * @param precondition  batches of retain records whose mean squared gradients scale an ascent's direction down; 0 = none
 * @param contrast      what is projected out of the forget direction; of ascents only, as the next two and {@code rate}
 * @param contrastSample retain records whose stored gradients span the contrast, at most 2,000
 * @param liveContrast  records of each of retain and held-out whose gradients of now steer each ascent step; 0 = off
 * @param rate          first step length of the ascent as a share of the norm of the sites' weights, before backtracking
 * @param maxAscents    ascent steps after which the loop gives up
 * @param repair        AdamW steps on retain records after each ascent or objective step
 * @param polish        annealed repair steps after the reference is reached; −1 is a seventh of the training's, at least 100
 * @param hold         records of the text to keep, or of random tokens without any, on which each step of repair or objective is
 *                     held to what the model said before; 0 = none; −1 is 4, but without text to keep none of an objective, nor of a
 *                     model made from nothing, which knows nothing else
 * @param harden        trial steps of relearning before each step against it, in a calibrated ascent's annealed end; 0 = off
 * @param repairRate    peak learning rate of repair; 0 means the run's training rate, of a model made from nothing half of it
 * @param repairBudget  most repair steps ({@code precondition} and trials of relearning counted in), and most steps of an
 *                      objective, as a share of the run's training steps
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
 * @param alternates    file of wrong answers to the records, as TOFU's perturbed sets have them: for altpo alone, which needs it
 */
public record EraseConfig(Strategy strategy, String sites, Epochs epochs, Tuning tuning, FixedRate fixed, Iterative iterative,
                          int precondition, Contrast contrast, int contrastSample, int liveContrast, double rate, int maxAscents,
                          int repair, int polish, int hold, int harden, double repairRate, double repairBudget, Reference reference,
                          double overshoot, double retainGuard, double heldOutGuard, int guardSample, int relearnSteps,
                          boolean ignoreGuards, boolean keepEntries, long seed, Copy.Rule copies, Keep keep,
                          @JsonSerialize(using = ToStringSerializer.class) Path alternates) {

    private static final int HELD = 4;

    /** Validates every value and lists all problems at once. */
    public EraseConfig {
        copies = copies == null ? Copy.Rule.REFUSE : copies;
        List<String> problems = new ArrayList<>();
        require(problems, precondition >= 0, "precondition", precondition, "at least 0");
        require(problems, contrastSample >= 1 && contrastSample <= 2000, "contrastSample", contrastSample, "1 to 2000");
        require(problems, liveContrast >= 0, "liveContrast", liveContrast, "at least 0");
        require(problems, rate > 0 && rate <= 1, "rate", rate, "above 0, at most 1");
        require(problems, maxAscents >= 1, "maxAscents", maxAscents, "at least 1");
        require(problems, repair >= 0, "repair", repair, "at least 0");
        require(problems, polish >= -1, "polish", polish, "-1 (automatic) or more");
        require(problems, hold >= -1, "hold", hold, "-1 (automatic) or more");
        require(problems, harden >= 0, "harden", harden, "at least 0");
        require(problems, repairRate >= 0 && repairRate < 1, "repairRate", repairRate, "0 (automatic) to below 1");
        require(problems, repairBudget >= 0, "repairBudget", repairBudget, "at least 0");
        require(problems, overshoot > 0, "overshoot", overshoot, "above 0");
        require(problems, retainGuard > 0, "retainGuard", retainGuard, "above 0");
        require(problems, heldOutGuard > 0, "heldOutGuard", heldOutGuard, "above 0");
        require(problems, guardSample >= 1, "guardSample", guardSample, "at least 1");
        require(problems, relearnSteps >= 0, "relearnSteps", relearnSteps, "at least 0");
        requireUsed(problems, strategy, epochs, contrast, liveContrast);
        require(problems, harden == 0 || strategy.kind() == Kind.ASCENT, "harden", harden, "0: only ascents are hardened");
        require(problems, precondition == 0 || strategy.kind() == Kind.ASCENT && fixed == null, "precondition", precondition,
                "0: only a calibrated ascent is scaled");
        requireSteps(problems, strategy, fixed, iterative);
        require(problems, keep == null || strategy.kind() != Kind.RETRAIN, "keep", keep, "none: " + strategy.label()
                + " learns the retain records alone");
        require(problems, alternates == null || strategy == Strategy.ALTPO, "alternates", alternates, "with altpo alone");
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("; ", problems));
        }
    }

    private static void requireUsed(List<String> problems, Strategy strategy, Epochs epochs, Contrast contrast,
                                    int liveContrast) {
        boolean own = epochs == null || strategy == Strategy.MULTI_EPOCH || epochs.equals(own(strategy));
        if (!own) {
            problems.add("epochs is " + epochs + ", but " + strategy.label()
                    + " takes no other gradients than its own; multi-epoch takes those of any epoch");
        }
        boolean steered = contrast.kind() != Contrast.Kind.NONE || liveContrast > 0;
        if (steered && strategy.kind() != Kind.ASCENT) {
            problems.add("contrast is " + contrast + " and liveContrast " + liveContrast + ", but " + strategy.label()
                    + " follows no direction that they could be taken out of; allowed: none and 0");
        }
    }

    private static void requireSteps(List<String> problems, Strategy strategy, FixedRate fixed, Iterative iterative) {
        if (fixed != null && strategy.kind() == Kind.RETRAIN) {
            problems.add("fixed is " + fixed + ", but " + strategy.label() + " takes the steps that the run's training took");
        }
        boolean renewed = strategy == Strategy.FRESH || strategy == Strategy.GAUSS_NEWTON;
        if (iterative != null && (!renewed || fixed != null)) {
            problems.add("iterative is " + iterative + ", allowed with fresh and gauss-newton, which compute their direction"
                    + " anew, and without a fixed rate");
        }
    }

    private static void require(List<String> problems, boolean holds, String name, Object value, String allowed) {
        if (!holds) {
            problems.add(name + " is " + value + ", allowed: " + allowed);
        }
    }

    /** What measured best on the demo and on TOFU: last epoch, embedding, preconditioned, repair, annealed end. */
    public static EraseConfig defaults() {
        return new Builder().build();
    }

    /** A strategy's own defaults: {@link #defaults} for the paper's ascents, the plain method for the comparators. */
    public static EraseConfig of(Strategy strategy) {
        Builder builder = new Builder().strategy(strategy).tuning(Tuning.of(strategy));
        if (strategy.alongGradients()) {
            return builder.build();
        }
        return builder.precondition(0).repair(0).polish(0).build();
    }

    /** The sites that a strategy moves in a model without adapters where none are named: of the paper's ascents the embedding. */
    public static String usualSites(Strategy strategy) {
        return strategy.alongGradients() ? "embedding" : strategy == Strategy.RMU ? "mlp-output"
                : "all"; // its paper moves MLP outputs only
    }

    /** This configuration with its sites named, for a model of that shape. */
    public EraseConfig settled(ModelShape shape) {
        return sites != null ? this : toBuilder().sites(shape.hasAdapters() ? "all" : usualSites(strategy)).build();
    }

    /**
     * Records on which a step is held to what the model said before: as asked for, else what measured best.
     *
     * @param fromNothing whether the model knows nothing but the run's records
     */
    public int held(boolean fromNothing) {
        return hold >= 0 ? hold : keep != null || strategy.kind() == Kind.ASCENT && !fromNothing ? HELD : 0;
    }

    /** The epochs whose captured gradients are taken: as asked for, else the strategy's own. */
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

    /** The paper's plain calibrated ascent: no contrast, no repair, and guards wide enough for what it does. */
    public static EraseConfig paper() {
        return new Builder().strategy(Strategy.FIRST_EPOCH).precondition(0).repair(0).polish(0).retainGuard(1e9).heldOutGuard(1e9).build();
    }

    /** A builder that starts from this configuration. */
    public Builder toBuilder() {
        return new Builder().strategy(strategy).sites(sites).epochs(epochs).tuning(tuning).fixed(fixed)
                .iterative(iterative).precondition(precondition).contrast(contrast).contrastSample(contrastSample)
                .liveContrast(liveContrast).rate(rate).maxAscents(maxAscents).repair(repair).polish(polish).hold(hold)
                .harden(harden).repairRate(repairRate).repairBudget(repairBudget).reference(reference)
                .overshoot(overshoot).retainGuard(retainGuard).heldOutGuard(heldOutGuard).guardSample(guardSample)
                .relearnSteps(relearnSteps).ignoreGuards(ignoreGuards).keepEntries(keepEntries).seed(seed)
                .copies(copies).keep(keep).alternates(alternates);
    }

    /** Collects changes to a configuration; each setter is documented at the record's component. Not thread-safe. */
    public static final class Builder {
        private Strategy strategy = Strategy.LAST_EPOCH;
        private String sites = null;
        private Epochs epochs = null;
        private Tuning tuning = Tuning.of(Strategy.LAST_EPOCH);
        private FixedRate fixed = null;
        private Iterative iterative = null;
        private int precondition = 8;
        private Contrast contrast = Contrast.NONE;
        private int contrastSample = 256;
        private int liveContrast = 0;
        private double rate = 0.02;
        private int maxAscents = 100;
        private int repair = 1;
        private int polish = -1;
        private int hold = -1;
        private int harden = 0;
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
        private Keep keep = null;
        private Path alternates = null;

        public Builder strategy(Strategy value) { strategy = value; return this; }
        public Builder sites(String value) { sites = value; return this; }
        public Builder epochs(Epochs value) { epochs = value; return this; }
        public Builder tuning(Tuning value) { tuning = value; return this; }
        public Builder fixed(FixedRate value) { fixed = value; return this; }
        public Builder iterative(Iterative value) { iterative = value; return this; }
        public Builder precondition(int value) { precondition = value; return this; }
        public Builder contrast(Contrast value) { contrast = value; return this; }
        public Builder contrastSample(int value) { contrastSample = value; return this; }
        public Builder liveContrast(int value) { liveContrast = value; return this; }
        public Builder rate(double value) { rate = value; return this; }
        public Builder maxAscents(int value) { maxAscents = value; return this; }
        public Builder repair(int value) { repair = value; return this; }
        public Builder polish(int value) { polish = value; return this; }
        public Builder hold(int value) { hold = value; return this; }
        public Builder harden(int value) { harden = value; return this; }
        public Builder repairRate(double value) { repairRate = value; return this; }
        public Builder repairBudget(double value) { repairBudget = value; return this; }
        public Builder reference(Reference value) { reference = value; return this; }
        public Builder overshoot(double value) { overshoot = value; return this; }
        public Builder retainGuard(double value) { retainGuard = value; return this; }
        public Builder heldOutGuard(double value) { heldOutGuard = value; return this; }
        public Builder guardSample(int value) { guardSample = value; return this; }
        public Builder relearnSteps(int value) { relearnSteps = value; return this; }
        public Builder ignoreGuards(boolean value) { ignoreGuards = value; return this; }
        public Builder keepEntries(boolean value) { keepEntries = value; return this; }
        public Builder seed(long value) { seed = value; return this; }
        public Builder copies(Copy.Rule value) { copies = value; return this; }
        public Builder keep(Keep value) { keep = value; return this; }
        public Builder alternates(Path value) { alternates = value; return this; }

        /** The configuration. @throws IllegalArgumentException listing every value out of range */
        public EraseConfig build() {
            return new EraseConfig(strategy, sites, epochs, tuning, fixed, iterative, precondition, contrast, contrastSample,
                    liveContrast, rate, maxAscents, repair, polish, hold, harden, repairRate, repairBudget, reference, overshoot, retainGuard,
                    heldOutGuard, guardSample, relearnSteps, ignoreGuards, keepEntries, seed, copies, keep, alternates);
        }
    }
}
