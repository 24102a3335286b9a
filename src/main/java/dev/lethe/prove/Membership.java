/*
 * Whether somebody who has a record's text can tell that the model once learned it: the losses' attacks of dev.lethe.eval, and
 * where models trained without the records are given, likelihood ratios; and how much of its likeliest answers is words that they have
 * said before, for an erasure may leave one word that is said over and over.
 */
package dev.lethe.prove;

import dev.lethe.metric.Auc;
import dev.lethe.metric.ULira;
import dev.lethe.prove.Suspect.Role;
import dev.lethe.results.Evaluation;
import dev.lethe.results.RecordMetric;
import dev.lethe.results.Row;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

final class Membership extends Attack {
    /** With fewer, one false alarm is more than 1 %. */
    static final int LEAST_CONTROLS = 100;
    /** The score that tells a scar, not knowledge. */
    static final String AGAIN = "words said again";

    Membership() {
        super("membership",
                "Can somebody who has a record's text tell from the model that it was once learned?",
                RecordMetric.attacks().stream().map(one -> one.title() + " (" + one.source() + ")").collect(Collectors.joining(", "))
                + ", reference (Carlini 2021, arXiv 2012.07805), words said again (1 - distinct-1, arXiv 1510.03055)"
                + ", LiRA (arXiv 2112.03570), U-LiRA (arXiv 2403.01218)");
    }

    @Override
    String undecided(Bench bench) {
        int controls = bench.material.controls().size();
        return controls >= LEAST_CONTROLS ? null : String.format(Locale.ROOT,
                "no verdict with %d records never seen: %d are needed, %d more, so that a false alarm in a hundred"
                        + " can be seen", controls, LEAST_CONTROLS, LEAST_CONTROLS - controls);
    }

    @Override
    List<Row> rows(Suspect suspect, Bench bench) {
        Evaluation mine = bench.evaluation(suspect);
        List<Row> rows = new ArrayList<>();
        for (RecordMetric attack : RecordMetric.attacks()) {
            rows.add(row(attack.label(), suspect, bench, mine.values(attack)));
        }
        List<Suspect> others = bench.references().stream().filter(other -> other != suspect).toList();
        if (!others.isEmpty()) {
            double[] losses = mine.values(RecordMetric.LOSS);
            double[] reference = bench.evaluation(others.getFirst()).values(RecordMetric.LOSS);
            rows.add(row("reference", suspect, bench,
                    IntStream.range(0, losses.length).mapToDouble(i -> losses[i] - reference[i]).toArray()));
        }
        rows.add(Rows.ofShares(AGAIN, suspect.name(),
                new Prompts(bench, bench.material.erased()).greedy(suspect).again(),
                new Prompts(bench, bench.material.controls()).greedy(suspect).again()));
        double[][] without = Stream.concat(others.stream().map(bench::margins), bench.retrained.stream()).toArray(double[][]::new);
        if (without.length >= ULira.LEAST_OFFLINE) {
            double[] deviations = ULira.offline(bench.margins(suspect), without);
            rows.add(row("lira", suspect, bench,
                    Arrays.stream(deviations).map(one -> -one).toArray()));
        }
        if (suspect.role() == Role.ERASED && bench.unlearned.size() >= 2 && without.length >= 3) {
            rows.add(ulira(suspect, bench, without));
        }
        return rows;
    }

    private static Row row(String measure, Suspect suspect, Bench bench, double[] lowIsKnown) {
        return Rows.ofLosses(measure, suspect.name(), bench.ofErased(lowIsKnown), bench.ofControls(lowIsKnown));
    }

    /** Of the erased records alone: the AUC is of models that unlearned them against models that never had them. */
    private static Row ulira(Suspect suspect, Bench bench, double[][] without) {
        double[][] in = Stream.concat(Stream.of(bench.margins(suspect)), bench.unlearned.stream()).map(bench::ofErased)
                .toArray(double[][]::new);
        double[][] out = Arrays.stream(without).map(bench::ofErased).toArray(double[][]::new);
        ULira.Result result = ULira.attack(in, out);
        double auc = result.auc().aggregate();
        int folds = Math.min(in.length, out.length); // records of one model go together
        double[] interval = Auc.interval(auc, folds, folds);
        return new Row("u_lira", suspect.name(), null, null, null, null, new Row.Apart(auc, interval[0], interval[1], null, null),
                null, null);
    }
}
