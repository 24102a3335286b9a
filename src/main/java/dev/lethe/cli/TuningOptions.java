package dev.lethe.cli;

import dev.lethe.unlearn.Strategy;
import dev.lethe.unlearn.Tuning;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import picocli.CommandLine.Option;

/** The numbers of particular strategies. One that the chosen strategy does not use is refused, never dropped. */
final class TuningOptions {
    @Option(names = "--alpha", paramLabel = "X", description = "Weight of the retain records' term of an objective.")
    private Double alpha;

    @Option(names = "--gamma", paramLabel = "X", description = "Weight of the forget records' term of an objective.")
    private Double gamma;

    @Option(names = "--beta", paramLabel = "X", description = "Inverse temperature of npo and simnpo.")
    private Double beta;

    @Option(names = "--delta", paramLabel = "NATS", description = "Margin of simnpo.")
    private Double delta;

    @Option(names = "--learning-rate", paramLabel = "RATE",
            description = "AdamW's peak in objectives and for the task vector; 0 = half of the training's, of an adapter all of it.")
    private Double learningRate;

    @Option(names = "--steering", paramLabel = "C", description = "Length of rmu's random direction.")
    private Double steering;

    @Option(names = "--block", paramLabel = "N",
            description = "Block whose output rmu steers, counted from 0; -1 = the middle one.")
    private Integer block;

    @Option(names = "--damping", paramLabel = "X",
            description = "Of gauss-newton's curvature; 0 = a tenth of each block's mean eigenvalue.")
    private Double damping;

    @Option(names = "--tune-steps", paramLabel = "N", description = "Steps of the task vector's fine-tuning.")
    private Integer tuneSteps;

    /** Each option with the strategies that use it and what it sets. */
    private List<Given<?>> given() {
        Set<Strategy> objectives = of(one -> one.kind() == Strategy.Kind.OBJECTIVE);
        return List.of(
                new Given<>("--alpha", alpha, of(one -> objectives.contains(one) && one != Strategy.GRAD_ASCENT),
                        Tuning::withRetainWeight),
                new Given<>("--gamma", gamma, objectives, Tuning::withForgetWeight),
                new Given<>("--beta", beta, EnumSet.of(Strategy.NPO, Strategy.SIMNPO), Tuning::withBeta),
                new Given<>("--delta", delta, EnumSet.of(Strategy.SIMNPO), Tuning::withDelta),
                new Given<>("--learning-rate", learningRate,
                        of(one -> objectives.contains(one) || one == Strategy.TASK_VECTOR), Tuning::withLearningRate),
                new Given<>("--steering", steering, EnumSet.of(Strategy.RMU), Tuning::withSteering),
                new Given<>("--block", block, EnumSet.of(Strategy.RMU), Tuning::withBlock),
                new Given<>("--damping", damping, EnumSet.of(Strategy.GAUSS_NEWTON), Tuning::withDamping),
                new Given<>("--tune-steps", tuneSteps, EnumSet.of(Strategy.TASK_VECTOR), Tuning::withTuneSteps));
    }

    private record Given<T>(String name, T value, Set<Strategy> users, BiFunction<Tuning, T, Tuning> setter) {
        Tuning into(Tuning tuning) {
            return value == null ? tuning : setter.apply(tuning, value);
        }
    }

    private static Set<Strategy> of(Predicate<Strategy> which) {
        return Arrays.stream(Strategy.values()).filter(which)
                .collect(Collectors.toCollection(() -> EnumSet.noneOf(Strategy.class)));
    }

    /** The strategy's own numbers with those given in their place. What it does not use is added to {@code problems}. */
    Tuning tuning(Strategy strategy, List<String> problems) {
        Tuning tuning = Tuning.of(strategy);
        for (Given<?> option : given()) {
            if (option.value() != null && !option.users().contains(strategy)) {
                problems.add(option.name() + " is an option of "
                        + option.users().stream().map(Strategy::label).collect(Collectors.joining(", ")) + ", not of "
                        + strategy.label());
            } else {
                tuning = option.into(tuning);
            }
        }
        return tuning;
    }
}
