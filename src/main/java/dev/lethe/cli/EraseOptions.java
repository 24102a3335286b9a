package dev.lethe.cli;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Reason;
import dev.lethe.unlearn.Contrast;
import dev.lethe.unlearn.Copy;
import dev.lethe.unlearn.Epochs;
import dev.lethe.unlearn.EraseConfig;
import dev.lethe.unlearn.FixedRate;
import dev.lethe.unlearn.Iterative;
import dev.lethe.unlearn.Keep;
import dev.lethe.unlearn.Reference;
import dev.lethe.unlearn.Strategy;
import dev.lethe.unlearn.Tuning;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * How an erasure is done; what is not given stays as the strategy's defaults, or with --paper as plain ascent has it. What
 * the strategy does not use is refused.
 */
final class EraseOptions {
    @Option(names = "--paper",
            description = "Plain calibrated ascent as in the paper: first epoch, unscaled, no contrast, no repair, wide guards.")
    private boolean paper;

    @Option(names = "--strategy", paramLabel = "NAME",
            description = "last-epoch (default), first-epoch, multi-epoch, fresh, task-vector, gauss-newton, grad-ascent, grad-diff, kl,"
                    + " npo, simnpo, rmu or retrain: docs/strategies.md.")
    private String strategy;

    @Option(names = "--sites", paramLabel = "SITES",
            description = "Sites that move: embedding, embedding-input, head, all, attention, mlp, mlp-output, block:0,1, names,"
                    + " globs (default: embedding; of an adapter all).")
    private String sites;

    @Option(names = "--epochs", paramLabel = "first|last|all|K",
            description = "Whose captured gradients: of the first epoch, of the last captured, of all, or of one, counted from 0.")
    private String epochs;

    @Option(names = "--fixed", paramLabel = "RATExSTEPS",
            description = "So many steps of this rate, without backtracking and without a stop.")
    private String fixed;

    @Option(names = "--iterative", paramLabel = "SHARExROUNDS",
            description = "Rounds along a new direction each, until this share of the influence is left.")
    private String iterative;

    @Option(names = "--contrast", paramLabel = "KIND",
            description = "none, mean or span:R: what is kept out of the direction.")
    private String contrast;

    @Option(names = "--precondition", paramLabel = "N",
            description = "Batches of retain records whose mean squared gradients scale the direction down; 0 = none.")
    private Integer precondition;

    @Option(names = "--live-contrast", paramLabel = "N",
            description = "Retain and held-out records whose gradients of now steer each ascent step; 0 = none.")
    private Integer liveContrast;

    @Option(names = "--repair", paramLabel = "N",
            description = "Repair steps on retain records after each ascent step.")
    private Integer repair;

    @Option(names = "--polish", paramLabel = "N",
            description = "Annealed repair steps at the end; -1 = automatic: a seventh of the training's, at least 100.")
    private Integer polish;

    @Option(names = "--harden", paramLabel = "N",
            description = "Trial steps of relearning before each step against it, in the annealed end; 0 = off.")
    private Integer harden;

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

    @Option(names = "--keep-data", paramLabel = "FILE",
            description = "Text besides the run's records that must stay known, such as what its base learned: .txt or .jsonl. A part of"
                    + " it joins the retain records, the rest is watched.")
    private Path keepData;

    @Option(names = "--keep-guard", paramLabel = "NATS",
            description = "Most that the loss of the text to keep may rise (default: 0.05).")
    private Double keepGuard;

    @Option(names = "--guard-sample", paramLabel = "N", description = "Retain records that are watched.")
    private Integer guardSample;

    @Option(names = "--contrast-sample", paramLabel = "N", description = "Retain records that span the contrast.")
    private Integer contrastSample;

    @Option(names = "--relearn-steps", paramLabel = "N", description = "Steps of the relearning probe; 0 = none.")
    private Integer relearnSteps;

    @Option(names = "--ignore-guards",
            description = "Write the new run even when a guard refuses, and say so in its account: for experiments only.")
    private boolean ignoreGuards;

    @Option(names = "--keep-entries", description = "Leave the source run's ledger whole: for experiments only.")
    private boolean keepEntries;

    @Option(names = "--copies", paramLabel = "WHAT",
            description = "Learned records that equal or nearly equal an erased one and are not of the request: refuse (default;"
                    + " names them), take (erase them too) or keep.")
    private Copy.Rule copies;

    @Option(names = "--seed", paramLabel = "N", description = "Of every sample drawn.")
    private Long seed;

    @Mixin
    private TuningOptions tuning = new TuningOptions();

    /** The configuration; every value out of range and every option that the strategy does not use is told at once. */
    EraseConfig config() {
        if (reference != null && targetLoss != null) {
            throw new BadInputException("--reference and --target-loss exclude each other");
        }
        try {
            EraseConfig plain = paper ? EraseConfig.paper() : EraseConfig.defaults();
            Strategy chosen = strategy == null ? plain.strategy() : Strategy.parse(strategy);
            List<String> problems = new ArrayList<>();
            Tuning numbers = tuning.tuning(chosen, problems);
            refuseUnused(chosen, problems);
            if (!problems.isEmpty()) {
                throw new BadInputException(String.join("; ", problems));
            }
            EraseConfig base = paper ? plain : EraseConfig.of(chosen);
            return fill(base.toBuilder().strategy(chosen).tuning(numbers)).build();
        } catch (IllegalArgumentException e) {
            throw new BadInputException(Reason.of(e), e);
        }
    }

    private EraseConfig.Builder fill(EraseConfig.Builder builder) {
        given(sites, builder::sites);
        given(epochs, which -> builder.epochs(Epochs.parse(which)));
        given(fixed, steps -> builder.fixed(FixedRate.parse(steps)).precondition(0));
        given(iterative, rounds -> builder.iterative(Iterative.parse(rounds)));
        given(contrast, kind -> builder.contrast(Contrast.parse(kind)));
        given(precondition, builder::precondition);
        given(liveContrast, builder::liveContrast);
        given(repair, builder::repair);
        given(polish, builder::polish);
        given(harden, builder::harden);
        given(repairRate, builder::repairRate);
        given(repairBudget, builder::repairBudget);
        given(rate, builder::rate);
        given(maxAscents, builder::maxAscents);
        given(reference, path -> builder.reference(new Reference.Retrained(path)));
        given(targetLoss, nats -> builder.reference(new Reference.Loss(nats)));
        given(overshoot, builder::overshoot);
        given(retainGuard, builder::retainGuard);
        given(heldOutGuard, builder::heldOutGuard);
        given(keepData, path -> builder.keep(new Keep(path, keepGuard == null ? Keep.GUARD : keepGuard)));
        given(guardSample, builder::guardSample);
        given(contrastSample, builder::contrastSample);
        given(relearnSteps, builder::relearnSteps);
        given(seed, builder::seed);
        given(copies, builder::copies);
        return builder.ignoreGuards(ignoreGuards).keepEntries(keepEntries);
    }

    private void refuseUnused(Strategy chosen, List<String> problems) {
        if (paper && !chosen.ofThePaper()) {
            problems.add("--paper is plain ascent along gradients, which " + chosen.label() + " is not");
        }
        Map<String, Object> ofAscents = given("--rate", rate, "--max-ascents", maxAscents, "--contrast", contrast,
                "--live-contrast", liveContrast, "--precondition", precondition, "--harden", harden);
        Map<String, Object> ofSteps = given("--sites", sites, "--fixed", fixed, "--iterative", iterative, "--repair", repair,
                "--polish", polish, "--repair-rate", repairRate, "--repair-budget", repairBudget, "--overshoot", overshoot,
                "--retain-guard", retainGuard, "--held-out-guard", heldOutGuard, "--keep-data", keepData);
        switch (chosen.kind()) {
            case ASCENT -> { }
            case OBJECTIVE -> {
                ofAscents.put("--contrast-sample", contrastSample);
                ofAscents.put("--repair-rate", repairRate);
                ofAscents.forEach((name, value) -> unused(name, value, chosen.label(), problems));
            }
            case RETRAIN -> {
                ofAscents.put("--contrast-sample", contrastSample);
                ofAscents.forEach((name, value) -> unused(name, value, chosen.label(), problems));
                ofSteps.forEach((name, value) -> unused(name, value, chosen.label(), problems));
            }
        }
        if (keepGuard != null && keepData == null) {
            problems.add("--keep-guard watches the text of --keep-data FILE, which is missing");
        }
        if (fixed != null) {
            Map<String, Object> ofLengths = given("--overshoot", overshoot);
            if (chosen.kind() == Strategy.Kind.ASCENT) { // else they are told above
                ofLengths.putAll(given("--rate", rate, "--max-ascents", maxAscents, "--harden", harden));
            }
            ofLengths.forEach((name, value) -> unused(name, value, "--fixed", problems));
        }
        if (iterative != null) {
            given("--max-ascents", maxAscents, "--polish", polish, "--harden", harden)
                    .forEach((name, value) -> unused(name, value, "--iterative", problems));
        }
    }

    private static Map<String, Object> given(Object... pairs) {
        Map<String, Object> options = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2) {
            options.put((String) pairs[i], pairs[i + 1]);
        }
        return options;
    }

    private static void unused(String name, Object value, String by, List<String> problems) {
        if (value != null) {
            problems.add(name + " is not used by " + by);
        }
    }

    private static <T> void given(T value, Consumer<T> set) {
        if (value != null) {
            set.accept(value);
        }
    }
}
