package dev.lethe.cli;

import dev.lethe.engine.BadInputException;
import dev.lethe.unlearn.Contrast;
import dev.lethe.unlearn.EraseConfig;
import dev.lethe.unlearn.Reference;
import dev.lethe.unlearn.Strategy;
import java.nio.file.Path;
import java.util.function.Consumer;
import picocli.CommandLine.Option;

/** How an erasure is done; what is not given stays as the defaults, or with --paper as plain ascent has it. */
final class EraseOptions {
    @Option(names = "--paper",
            description = "Plain calibrated ascent as in the paper: no contrast, no repair, wide guards.")
    private boolean paper;

    @Option(names = "--strategy", paramLabel = "NAME", description = "first-epoch, multi-epoch or fresh.")
    private String strategy;

    @Option(names = "--sites", paramLabel = "SITES",
            description = "Sites that ascend: embedding, all, block:0,1, names, globs.")
    private String sites;

    @Option(names = "--contrast", paramLabel = "KIND",
            description = "none, mean or span:R: what is kept out of the direction.")
    private String contrast;

    @Option(names = "--live-contrast", paramLabel = "N",
            description = "Retain and held-out records whose gradients of now steer each ascent step; 0 = none.")
    private Integer liveContrast;

    @Option(names = "--repair", paramLabel = "N",
            description = "Repair steps on retain records after each ascent step.")
    private Integer repair;

    @Option(names = "--polish", paramLabel = "N", description = "Annealed repair steps at the end.")
    private Integer polish;

    @Option(names = "--repair-rate", paramLabel = "RATE", description = "Peak learning rate of repair; 0 = automatic.")
    private Double repairRate;

    @Option(names = "--repair-budget", paramLabel = "SHARE",
            description = "Most repair steps, as a share of the training's.")
    private Double repairBudget;

    @Option(names = "--rate", paramLabel = "X", description = "First ascent step, as a share of the weights' norm.")
    private Double rate;

    @Option(names = "--max-ascents", paramLabel = "N", description = "Ascent steps after which to give up.")
    private Integer maxAscents;

    @Option(names = "--reference", paramLabel = "RUN0",
            description = "Stop at the forget loss of this model that never saw them.")
    private Path reference;

    @Option(names = "--target-loss", paramLabel = "NATS", description = "Stop at this forget loss.")
    private Double targetLoss;

    @Option(names = "--overshoot", paramLabel = "SHARE", description = "By how much one step may pass the reference.")
    private Double overshoot;

    @Option(names = "--retain-guard", paramLabel = "NATS", description = "Most that the retain loss may rise.")
    private Double retainGuard;

    @Option(names = "--held-out-guard", paramLabel = "SHARE", description = "Most that the held-out loss may rise.")
    private Double heldOutGuard;

    @Option(names = "--guard-sample", paramLabel = "N", description = "Retain records that are watched.")
    private Integer guardSample;

    @Option(names = "--contrast-sample", paramLabel = "N", description = "Retain records that span the contrast.")
    private Integer contrastSample;

    @Option(names = "--relearn-steps", paramLabel = "N", description = "Steps of the relearning probe; 0 = none.")
    private Integer relearnSteps;

    @Option(names = "--keep-entries", description = "Leave the source run's ledger whole: for experiments only.")
    private boolean keepEntries;

    @Option(names = "--seed", paramLabel = "N", description = "Of every sample drawn.")
    private Long seed;

    /** The configuration; every value out of range is told at once. */
    EraseConfig config() {
        if (reference != null && targetLoss != null) {
            throw new BadInputException("--reference and --target-loss exclude each other");
        }
        try {
            EraseConfig.Builder builder = (paper ? EraseConfig.paper() : EraseConfig.defaults()).toBuilder();
            given(strategy, name -> builder.strategy(Strategy.parse(name)));
            given(sites, builder::sites);
            given(contrast, kind -> builder.contrast(Contrast.parse(kind)));
            given(liveContrast, builder::liveContrast);
            given(repair, builder::repair);
            given(polish, builder::polish);
            given(repairRate, builder::repairRate);
            given(repairBudget, builder::repairBudget);
            given(rate, builder::rate);
            given(maxAscents, builder::maxAscents);
            given(reference, path -> builder.reference(new Reference.Retrained(path)));
            given(targetLoss, nats -> builder.reference(new Reference.Loss(nats)));
            given(overshoot, builder::overshoot);
            given(retainGuard, builder::retainGuard);
            given(heldOutGuard, builder::heldOutGuard);
            given(guardSample, builder::guardSample);
            given(contrastSample, builder::contrastSample);
            given(relearnSteps, builder::relearnSteps);
            given(seed, builder::seed);
            return builder.keepEntries(keepEntries).build();
        } catch (IllegalArgumentException e) {
            throw new BadInputException(e.getMessage(), e);
        }
    }

    private static <T> void given(T value, Consumer<T> set) {
        if (value != null) {
            set.accept(value);
        }
    }
}
