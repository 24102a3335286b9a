package dev.lethe.experiment;

import dev.lethe.base.BadInputException;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.OpenModel;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.influence.Bootstrap;
import dev.lethe.influence.ScoreMethod;
import dev.lethe.ledger.GradientLedger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** lethe experiment influence: how many of the records a score puts on top are of the query's own subject. */
@Command(name = "influence", description = {"Precision of each score at finding records of the query's subject.",
    "The share of them among the first K, and how often the very first is; means over the queries, with 95 %% bootstrap intervals. A"
            + " query that was learned does not count itself."})
final class InfluenceExperiment extends LetheCommand {
    private static final long SEED = 1;

    @Mixin
    private ScoredRun scored;

    @Option(names = "--at", paramLabel = "K", defaultValue = "20", description = "Records looked at (default: 20).")
    private int at;

    private final ModelPlace place = new ModelPlace();

    @Mixin
    private final SettingOptions settings = new SettingOptions(all -> {
        this.scored.into(all);
        place.into(all);
    }, "sites", "device");

    /** What --json gives. @param chance what a random order would reach at K and at 1, mean over the queries */
    record Result(String run, int queries, int records, int at, double chance, double best, List<Row> methods) {}

    /** @param first share of queries whose first record is right @param beatsChance whether precision's interval does */
    record Row(String method, double precision, double low, double high, boolean beatsChance, double first,
               double firstLow, double firstHigh, List<Double> perQuery) {}

    @Override
    protected void work() {
        if (at < 1) {
            throw new BadInputException("--at " + at + ": must be at least 1");
        }
        List<ScoreMethod> methods = scored.methods();
        try (Engine engine = place.open(); OpenModel open = scored.open(engine)) {
            Result result = measure(open, methods);
            result(result, terminal -> print(terminal, result));
        }
    }

    private Result measure(OpenModel open, List<ScoreMethod> methods) {
        List<TextRecord> asked = scored.asked();
        if (asked.stream().anyMatch(record -> record.subject() == null)) {
            throw new BadInputException(scored.queries() + ": every query needs a subject to be right or wrong about");
        }
        List<TextRecord> learned = ScoredRun.learned(open);
        double chance = asked.stream().mapToDouble(query -> (double) right(learned, query)
                / learned.stream().filter(record -> !record.id().equals(query.id())).count()).average().orElseThrow();
        double best = asked.stream().mapToDouble(query -> (double) Math.min(right(learned, query), at) / at).average()
                .orElseThrow();
        List<Row> rows = new ArrayList<>();
        try (GradientLedger ledger = scored.ledger(open)) {
            scored.scores(open, ledger, methods, told -> remark("%s", told)).forEach(
                    (method, scores) -> rows.add(row(method, scores, asked, learned, chance)));
        }
        return new Result(scored.run().toString(), asked.size(), learned.size(), at, chance, best, rows);
    }

    private Row row(ScoreMethod method, double[][] scores, List<TextRecord> asked, List<TextRecord> learned, double chance) {
        double[] precision = new double[asked.size()];
        double[] first = new double[asked.size()];
        for (int m = 0; m < precision.length; m++) {
            precision[m] = precision(scores[m], asked.get(m), learned, at);
            first[m] = precision(scores[m], asked.get(m), learned, 1);
        }
        Bootstrap mean = Bootstrap.of(precision, SEED);
        Bootstrap firsts = Bootstrap.of(first, SEED);
        return new Row(method.label(), mean.mean(), mean.low(), mean.high(), mean.low() > chance, firsts.mean(),
                firsts.low(), firsts.high(), Arrays.stream(precision).boxed().toList());
    }

    private static long right(List<TextRecord> learned, TextRecord query) {
        return learned.stream().filter(record -> counts(record, query)).count();
    }

    private static boolean counts(TextRecord record, TextRecord query) {
        return Objects.equals(record.subject(), query.subject()) && !record.id().equals(query.id());
    }

    private static double precision(double[] scores, TextRecord query, List<TextRecord> learned, int at) {
        return IntStream.range(0, scores.length).boxed()
                .filter(i -> !Double.isNaN(scores[i]) && !learned.get(i).id().equals(query.id()))
                .sorted(Comparator.comparingDouble(i -> -scores[i])).limit(at)
                .filter(i -> counts(learned.get(i), query)).count() / (double) at;
    }

    private static void print(Terminal terminal, Result result) {
        terminal.print("%,d queries, %,d records; chance %.3f, precision at %d at best %.3f", result.queries,
                result.records, result.chance, result.at, result.best);
        terminal.print("%-13s %-24s %s", "", "precision at " + result.at, "first of the subject");
        for (Row row : result.methods) {
            terminal.print("%-13s %.3f  [%.3f, %.3f]   %.3f  [%.3f, %.3f]%s", row.method, row.precision, row.low, row.high,
                    row.first, row.firstLow, row.firstHigh, row.beatsChance ? "" : "  does not beat chance");
        }
    }
}
