package dev.lethe.experiment;

import dev.lethe.BadInputException;
import dev.lethe.console.Common;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** lethe experiment loo: scores against models trained without one record. */
@Command(name = "loo", description = {"Leave-one-out: scores against trainings without one record.",
    "Rank correlation and sign agreement of each query's change of loss with the record's score, with 95 %% bootstrap intervals. For a"
            + " small model: it is trained as often as records are left out."})
final class LooExperiment implements Callable<Integer> {
    private static final long SEED = 3;

    @Mixin
    private RetrainedScores retrained;

    @Option(names = "--leave", paramLabel = "N", defaultValue = "50",
            description = "Records left out, one at a time, drawn from the run's (default: 50).")
    private int leave;

    @Mixin
    private Common common;

    @Override
    public Integer call() {
        if (leave < 2) {
            throw new BadInputException("--leave " + leave + ": must be at least 2");
        }
        retrained.measure(common, this::absent, true);
        return 0;
    }

    private List<BitSet> absent(int records) {
        List<Integer> order = IntStream.range(0, records).boxed().collect(Collectors.toList());
        Collections.shuffle(order, new Random(SEED));
        return order.subList(0, Math.min(leave, records)).stream().map(record -> {
            BitSet out = new BitSet(records);
            out.set(record);
            return out;
        }).toList();
    }
}
