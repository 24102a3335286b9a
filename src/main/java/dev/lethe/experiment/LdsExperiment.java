package dev.lethe.experiment;

import dev.lethe.BadInputException;
import dev.lethe.console.Common;
import java.util.ArrayList;
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

/** lethe experiment lds: scores against models trained on random parts of the data. */
@Command(name = "lds", description = {"Linear datamodeling score: scores against trainings on random subsets.",
    "The rank correlation of a query's loss with what the scores foretell, mean over the queries, with 95 %% bootstrap intervals. For a"
            + " small model: it is trained as often as there are subsets."})
final class LdsExperiment implements Callable<Integer> {
    private static final long SEED = 2;

    @Mixin
    private RetrainedScores retrained;

    @Option(names = "--subsets", paramLabel = "S", defaultValue = "50",
            description = "Random subsets to train on (default: 50).")
    private int subsets;

    @Option(names = "--share", paramLabel = "X", defaultValue = "0.5",
            description = "Share of the records in each (default: 0.5).")
    private double share;

    @Mixin
    private Common common;

    @Override
    public Integer call() {
        if (subsets < 2 || !(share > 0 && share < 1)) {
            throw new BadInputException(subsets < 2 ? "--subsets " + subsets + ": must be at least 2"
                    : "--share " + share + ": must be above 0 and below 1");
        }
        retrained.measure(common, this::absent, false);
        return 0;
    }

    private List<BitSet> absent(int records) {
        Random random = new Random(SEED);
        int left = Math.clamp(Math.round(records * (1 - share)), 1, Math.max(1, records - 1));
        List<BitSet> absent = new ArrayList<>();
        for (int s = 0; s < subsets; s++) {
            List<Integer> order = IntStream.range(0, records).boxed().collect(Collectors.toCollection(ArrayList::new));
            Collections.shuffle(order, random);
            BitSet out = new BitSet(records);
            order.subList(0, left).forEach(out::set);
            absent.add(out);
        }
        return absent;
    }
}
