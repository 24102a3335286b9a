package dev.lethe.experiment;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.lethe.base.BadInputException;
import dev.lethe.base.Settings;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.OpenModel;
import dev.lethe.console.Progress;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import dev.lethe.engine.Engine;
import dev.lethe.influence.Bootstrap;
import dev.lethe.influence.ScoreCorrelation;
import dev.lethe.influence.ScoreMethod;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.text.Example;
import dev.lethe.train.Retraining;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntFunction;
import picocli.CommandLine.Mixin;

/** Scores held against trainings without some of the records: what the experiments lds and loo have in common. */
final class RetrainedScores {
    private static final long SEED = 1;

    @Mixin
    private ScoredRun scored;

    private int repeats = 1;
    private final ModelPlace place = new ModelPlace();

    @Mixin
    private final SettingOptions settings = new SettingOptions(all -> {
        this.scored.into(all);
        all.section("retraining").whole("repeats", repeats, "Retrainings of each choice of records, in other orders, whose losses are"
                + " averaged", value -> repeats = Settings.atLeast(1, value));
        place.into(all);
    }, "repeats", "sites", "device");

    private LetheCommand command;

    /** One score; {@code rank} and {@code sign} with their 95 % intervals, {@code sign} only for single records. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Row(String method, double rank, double rankLow, double rankHigh, boolean beatsChance, Double sign, Double signLow,
               Double signHigh) {}

    /**
     * What --json gives.
     *
     * @param retrainings choices of records, each retrained {@code repeats} times
     * @param likelierSign what always saying the likelier sign of the change reaches; only for single records
     * @param reliability  rank correlation of the losses of two halves of the repeats, about what a perfect score could
     *                     reach with half as many; absent with one repeat
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Result(String run, int queries, int records, int retrainings, int repeats, double secondsARetraining,
                  Double likelierSign, Double reliability, List<Row> methods) {}

    /**
     * Scores, retrains and compares.
     *
     * @param choice the records absent from each retraining, given how many there are
     * @param single whether that is one record each, so that the sign of a change says something
     */
    void measure(LetheCommand command, IntFunction<List<BitSet>> choice, boolean single) {
        this.command = command;
        List<ScoreMethod> methods = scored.methods();
        try (Engine engine = place.open(); OpenModel open = scored.open(engine);
                Retraining retraining = Retraining.of(engine, open.run())) {
            List<BitSet> absent = choice.apply(retraining.records().size());
            Map<ScoreMethod, double[][]> scores = scores(open, methods);
            long begun = System.nanoTime();
            double[][][] rises = rises(retraining, absent, scored.encoded(open));
            double seconds = (System.nanoTime() - begun) / 1e9 / repeats / (absent.size() + 1);
            double[][] measured = mean(rises, 0, repeats);
            double[] weights = retraining.records().stream().mapToDouble(Example::targetCount).toArray();
            List<Row> rows = new ArrayList<>();
            scores.forEach((method, table) -> rows.add(row(method,
                    new ScoreCorrelation(ScoreCorrelation.rises(table, weights, absent), measured), single)));
            Result result = new Result(scored.run().toString(), measured.length, retraining.records().size(), absent.size(),
                    repeats, seconds, single ? new ScoreCorrelation(measured, measured).likelierSign() : null,
                    repeats == 1 ? null : new ScoreCorrelation(mean(rises, 0, repeats / 2), mean(rises, repeats / 2, repeats))
                            .rankCorrelation(SEED).mean(), rows);
            command.result(result, terminal -> print(terminal, result));
        }
    }

    private Map<ScoreMethod, double[][]> scores(OpenModel open, List<ScoreMethod> methods) {
        Map<ScoreMethod, double[][]> scores;
        try (GradientLedger ledger = scored.ledger(open)) {
            scores = scored.scores(open, ledger, methods, told -> command.remark("%s", told));
        }
        if (scores.values().stream().flatMap(Arrays::stream).flatMapToDouble(Arrays::stream).anyMatch(Double::isNaN)) {
            throw new BadInputException(scored.run() + ": some of its records have no stored gradient in the epochs that"
                    + " count; choose others by epochs, or train with --capture all");
        }
        return scores;
    }

    /** By how much each query's loss rose over that of the whole training, [repeats][M][retrainings]. */
    private double[][][] rises(Retraining retraining, List<BitSet> absent, List<Example> queries) {
        double[][][] rises = new double[repeats][queries.size()][absent.size()];
        BitSet all = new BitSet();
        all.set(0, retraining.records().size());
        try (Progress progress = command.progress()) {
            for (int r = 0; r < repeats; r++) {
                retraining.train(all, retraining.order() + r);
                double[] whole = retraining.losses(queries);
                for (int c = 0; c < absent.size(); c++) {
                    BitSet kept = (BitSet) all.clone();
                    kept.andNot(absent.get(c));
                    retraining.train(kept, retraining.order() + r);
                    double[] losses = retraining.losses(queries);
                    for (int m = 0; m < losses.length; m++) {
                        rises[r][m][c] = losses[m] - whole[m];
                    }
                    progress.update("retrain", (long) r * absent.size() + c + 1, (long) repeats * absent.size(), "");
                }
            }
        }
        return rises;
    }

    private static double[][] mean(double[][][] tables, int from, int to) {
        double[][] mean = new double[tables[0].length][tables[0][0].length];
        for (int r = from; r < to; r++) {
            for (int m = 0; m < mean.length; m++) {
                for (int c = 0; c < mean[m].length; c++) {
                    mean[m][c] += tables[r][m][c] / (to - from);
                }
            }
        }
        return mean;
    }

    private static Row row(ScoreMethod method, ScoreCorrelation foretelling, boolean single) {
        Bootstrap rank = foretelling.rankCorrelation(SEED);
        Bootstrap sign = single ? foretelling.signAgreement(SEED) : null;
        return new Row(method.label(), rank.mean(), rank.low(), rank.high(), rank.low() > 0,
                single ? sign.mean() : null, single ? sign.low() : null, single ? sign.high() : null);
    }

    private static void print(Terminal terminal, Result result) {
        terminal.print("%,d queries, %,d records, %,d retrainings x %d, %.1f s each%s%s", result.queries, result.records,
                result.retrainings, result.repeats, result.secondsARetraining,
                result.likelierSign == null ? "" : String.format(Locale.ROOT, "; the likelier sign %.3f",
                        result.likelierSign),
                result.reliability == null ? "" : String.format(Locale.ROOT, "; halves of the repeats %.3f",
                        result.reliability));
        for (Row row : result.methods) {
            terminal.print("%-13s rank %6.3f  [%6.3f, %6.3f]%s%s", row.method, row.rank, row.rankLow, row.rankHigh,
                    row.sign == null ? "" : String.format(Locale.ROOT, "   sign %.3f  [%.3f, %.3f]", row.sign,
                            row.signLow, row.signHigh),
                    row.beatsChance ? "" : "  does not beat chance");
        }
    }
}
