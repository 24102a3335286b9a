package dev.lethe.spec;

import dev.lethe.base.Settings;
import dev.lethe.settings.Contrast;
import dev.lethe.settings.Copy;
import dev.lethe.settings.Epochs;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.FixedRate;
import dev.lethe.settings.Iterative;
import dev.lethe.settings.Keep;
import dev.lethe.settings.Reference;
import dev.lethe.settings.Strategy;
import dev.lethe.settings.Strategy.Kind;
import dev.lethe.settings.Parameter;
import dev.lethe.settings.Tuning;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The settings of an erasure by name, as {@code lethe erase --set} and a study's {@code erase} know them. One that the strategy
 * does not use is refused, never dropped.
 */
public final class EraseSettings {
    /** Whose defaults what is not set has. */
    private static final String DEFAULTS = "defaults";
    private static final String PAPER = "paper";

    private final EraseConfig usual;
    private final EraseConfig.Builder to;
    private Path keep;
    private double keepGuard = Keep.GUARD;

    /** @param given what is to be set, of which the strategy and whose defaults count are taken first */
    public EraseSettings(Map<String, String> given) {
        Strategy strategy = given.containsKey("strategy") ? Strategy.parse(given.get("strategy")) : null;
        String defaults = given.getOrDefault(DEFAULTS, "usual");
        if (!defaults.equals(PAPER) && !defaults.equals("usual")) {
            throw new IllegalArgumentException("defaults is " + defaults + ": must be usual or paper");
        }
        if (defaults.equals(PAPER) && strategy != null && !strategy.alongGradients()) {
            throw new IllegalArgumentException("defaults is paper: plain ascent along gradients, which " + strategy.label() + " is not");
        }
        EraseConfig base = defaults.equals(PAPER) ? EraseConfig.paper() : EraseConfig.of(strategy == null ? Strategy.LAST_EPOCH : strategy);
        usual = strategy == null ? base : base.toBuilder().strategy(strategy).build();
        to = usual.toBuilder();
    }

    /** What was set and the defaults of the rest. @throws IllegalArgumentException listing every value out of range */
    public EraseConfig config() {
        return to.keep(keep == null ? null : new Keep(keep, keepGuard)).build();
    }

    /** Adds all. */
    public void into(Settings settings) {
        of(settings, _ -> true)
                .text("strategy", "NAME", usual.strategy().label(), "How records are forgotten (docs/strategies.md): "
                        + Strategy.labels(), _ -> { })
                .text(DEFAULTS, "usual|paper", "usual", "Whose values the others have; paper is plain ascent as published: first"
                        + " epoch, unscaled, no repair, wide guards", _ -> { })
                .text("reference", "WHAT", "held-out", "Where the forget loss must come to: that of held-out records as hard, of a run"
                        + " or model folder that never saw them, or a loss in nats", value -> to.reference(reference(value)))
                .choice("copies", "WHAT", Copy.Rule.REFUSE, "Learned records that equal or nearly equal an erased one: refuse (names"
                        + " them), take (erase them too) or keep", to::copies)
                .text("epochs", "first|last|all|K", usual.storedEpochs(), "Whose captured gradients; K counts from 0",
                        value -> to.epochs(Epochs.parse(value)))
                .whole("guard_sample", usual.guardSample(), "Retain records that are watched", to::guardSample)
                .whole("relearn_steps", usual.relearnSteps(), "Steps of the relearning probe; 0 = none", to::relearnSteps)
                .flag("ignore_guards", "Write the new run even when a guard refuses, and say so in its account: for experiments"
                        + " only", to::ignoreGuards)
                .flag("keep_entries", "Leave the source run's ledger whole: for experiments only", to::keepEntries)
                .wholeLong("seed", usual.seed(), "Of every sample drawn", to::seed);
        of(settings, one -> one.kind() != Kind.RETRAIN)
                .text("sites", "SITES", "", "Sites that move: embedding, embedding-input, head, all, attention, mlp, mlp-output,"
                        + " block:0,1, names or globs (default: " + EraseConfig.usualSites(usual.strategy()) + "; of an adapter"
                        + " all)", to::sites)
                .text("fixed", "RATExSTEPS", "", "So many steps of this rate, without backtracking and without a stop",
                        value -> to.fixed(FixedRate.parse(value)).precondition(0))
                .text("iterative", "SHARExROUNDS", "", "Rounds along a new direction each, until this share of the influence is left",
                        value -> to.iterative(Iterative.parse(value)))
                .whole("repair", usual.repair(), "Repair steps on retain records after each ascent step", to::repair)
                .whole("polish", usual.polish(), "Annealed repair steps at the end; -1 = a seventh of the training's, at least 100",
                        to::polish)
                .whole("hold", usual.hold(), "Records of the text to keep, or of random tokens without any, on which each step holds the"
                        + " model to what it said before; 0 = none; -1 = 4, but without such text none of an objective, nor of an"
                        + " adapter or a model made from nothing", to::hold)
                .number("repair_budget", "SHARE", usual.repairBudget(), "Most repair steps, as a share of the training's",
                        to::repairBudget)
                .number("overshoot", "SHARE", usual.overshoot(), "By how much one step may pass the reference", to::overshoot)
                .number("retain_guard", "NATS", usual.retainGuard(), "Most that the retain loss may rise", to::retainGuard)
                .number("held_out_guard", "SHARE", usual.heldOutGuard(), "Most that the held-out loss may rise", to::heldOutGuard)
                .text("keep", "FILE", "", "Text besides the run's records that must stay known, such as what its base learned: .txt or"
                        + " .jsonl; repair is held to what the model said of a part of it, the rest is watched",
                        value -> keep = Path.of(value))
                .number("keep_guard", "NATS", Keep.GUARD, "Most that the loss of the text to keep may rise",
                        value -> keepGuard = value);
        of(settings, one -> one.kind() == Kind.ASCENT)
                .number("rate", "SHARE", usual.rate(), "First ascent step, as a share of the weights' norm", to::rate)
                .whole("max_ascents", usual.maxAscents(), "Ascent steps after which to give up", to::maxAscents)
                .whole("precondition", usual.precondition(), "Batches of retain records whose mean squared gradients scale the"
                        + " direction down; 0 = none", to::precondition)
                .text("contrast", "KIND", usual.contrast(), "What is kept out of the direction: none, mean or span:R",
                        value -> to.contrast(Contrast.parse(value)))
                .whole("contrast_sample", usual.contrastSample(), "Retain records that span the contrast", to::contrastSample)
                .number("match", "WEIGHT", usual.match(), "How strongly the annealed end makes the records as if never seen: the losses of"
                        + " their tokens, and what follows their beginnings; 0 = not; -1 = 1, but of other strategies than the paper's 0",
                        to::match)
                .number("repair_rate", "RATE", usual.repairRate(), "Peak learning rate of repair; 0 = the training's, of a model"
                        + " made from nothing half of it", to::repairRate);
        for (Parameter own : Parameter.values()) {
            Tuning tuning = usual.tuning();
            of(settings, one -> one.tuning().has(own)).number(own.label(), own.placeholder(),
                    tuning.has(own) ? tuning.get(own) : own.usual(), own.says(), value -> to.tuning(own, value));
        }
        of(settings, one -> one.tuning().has(Parameter.LEDGER_CURVATURE))
                .text("factors", "DIR", "", "All shards of that curvature, computed before for this erasure (docs/strategies.md)",
                        value -> to.factors(Path.of(value)));
        of(settings, one -> one == Strategy.ALTPO)
                .text("alternates", "FILE", "", "Wrong answers to the records to erase, as TOFU's perturbed sets have them; needed",
                        value -> to.alternates(Path.of(value)));
    }

    /** What of {@code names}, which are set, does not count beside others of them, a sentence each. */
    public List<String> unused(Collection<String> names) {
        List<String> problems = new ArrayList<>();
        if (names.contains("keep_guard") && !names.contains("keep")) {
            problems.add("keep_guard watches the text of keep, which is missing");
        }
        unused(names, "fixed", problems, "rate", "max_ascents", "overshoot", "precondition", "match");
        unused(names, "iterative", problems, "max_ascents", "polish", "match");
        EraseConfig set = config();
        boolean repairs = set.repair() > 0 || set.polish() != 0 && set.iterative() == null;
        if (set.strategy().kind() == Kind.OBJECTIVE && !repairs) {
            unused(names, "fixed", problems, "learning_rate");
        } else if (set.strategy().kind() == Kind.ASCENT && !repairs) {
            Stream.of("repair_rate", "hold").filter(names::contains)
                    .forEach(name -> problems.add(name + " is not used without repair and polish"));
        }
        if (set.polish() == 0 && set.matched() > 0 && names.contains("match")) {
            problems.add("match is not used without polish, the annealed end that it is of");
        }
        return problems;
    }

    private static void unused(Collection<String> names, String by, List<String> problems, String... what) {
        Arrays.stream(what).filter(name -> names.contains(by) && names.contains(name))
                .forEach(name -> problems.add(name + " is not used beside " + by));
    }

    private Settings of(Settings settings, Predicate<Strategy> users) {
        List<Strategy> who = Arrays.stream(Strategy.values()).filter(users).toList();
        List<Strategy> others = Arrays.stream(Strategy.values()).filter(users.negate()).toList();
        String names = others.size() <= 2 ? "all but " + labels(others) : labels(who);
        return settings.section(others.isEmpty() ? "every strategy" : "strategy: " + names, users.test(usual.strategy()) ? null
                : " is a setting of " + names + ", not of " + usual.strategy().label());
    }

    private static String labels(List<Strategy> strategies) {
        return strategies.stream().map(Strategy::label).collect(Collectors.joining(", "));
    }

    private static Reference reference(String value) {
        if (value.equals("held-out")) {
            return new Reference.HeldOut();
        }
        double nats;
        try {
            nats = Double.parseDouble(value);
        } catch (NumberFormatException e) {
            return new Reference.Retrained(Path.of(value));
        }
        return new Reference.Loss(nats);
    }
}
