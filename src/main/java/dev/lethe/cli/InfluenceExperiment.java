package dev.lethe.cli;

import dev.lethe.data.Dataset;
import dev.lethe.data.OnLong;
import dev.lethe.data.Record;
import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.SiteSet;
import dev.lethe.influence.Bootstrap;
import dev.lethe.influence.InfluenceQuery;
import dev.lethe.influence.InfluenceScorer;
import dev.lethe.influence.QueryScores;
import dev.lethe.influence.QueryVector;
import dev.lethe.influence.RecordScore;
import dev.lethe.influence.ScoreMethod;
import dev.lethe.influence.ScoreOptions;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.RecordKey;
import dev.lethe.train.Split;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/** lethe experiment influence: how many of the records a score puts on top are of the query's own subject. */
@Command(name = "influence", mixinStandardHelpOptions = true, sortOptions = false,
        description = "Precision of each score: the share of records of the query's own subject among the first K,"
                + " mean over the queries, with 95 % bootstrap intervals. A query that was learned does not count"
                + " itself.")
final class InfluenceExperiment implements Callable<Integer> {
    private static final long SEED = 1;

    @ParentCommand
    private ExperimentCommand parent;

    @Option(names = "--run", paramLabel = "RUN", required = true, description = "A run with a ledger and subjects.")
    private Path run;

    @Option(names = "--queries", paramLabel = "FILE", required = true,
            description = "One query a record, each with its subject; held out is the honest choice.")
    private Path queries;

    @Option(names = "--methods", paramLabel = "NAMES", split = ",", defaultValue = "dot,tracin,cosine,self",
            description = "Scores to compare; self is the baseline that sees no query (default: ${DEFAULT-VALUE}).")
    private List<String> methods;

    @Option(names = "--sites", paramLabel = "SITES", description = "Sites that count (default: all that are stored).")
    private String sites;

    @Option(names = "--epochs", paramLabel = "E", split = ",", description = "Captured epochs that count (default: all).")
    private List<Integer> epochs;

    @Option(names = "--at", paramLabel = "K", defaultValue = "20", description = "Records looked at (default: 20).")
    private int at;

    @Mixin
    private CurvatureChoice curvature;

    @Mixin
    private Hardware hardware;

    @Mixin
    private Common common;

    /** What --json gives. @param chance what a random order would reach, mean over the queries */
    record Result(String run, int queries, int records, int at, double chance, double best, List<Row> methods) {}

    /** @param beatsChance whether the interval lies above chance */
    record Row(String method, double precision, double low, double high, boolean beatsChance, List<Double> perQuery) {}

    @Override
    public Integer call() {
        if (at < 1) {
            throw new BadInputException("--at " + at + ": must be at least 1");
        }
        Terminal terminal = parent.main().terminal();
        try (Engine engine = hardware.open(); OpenModel open = OpenModel.open(engine, run)) {
            if (open.run() == null || !open.run().hasLedger()) {
                throw new BadInputException(run + ": has no ledger; train with --capture");
            }
            Result result = measure(open);
            common.result(terminal, result, () -> print(terminal, result));
        }
        return 0;
    }

    private Result measure(OpenModel open) {
        List<Record> asked = Dataset.read(queries).records();
        if (asked.stream().anyMatch(record -> record.subject() == null)) {
            throw new BadInputException(queries + ": every query needs a subject to be right or wrong about");
        }
        Map<RecordKey, Record> learned = new HashMap<>();
        open.run().data(Split.TRAIN).records().forEach(record -> learned.put(RecordKey.of(record.id()), record));
        List<InfluenceQuery> encoded = open.encode(asked, OnLong.TRUNCATE).examples().stream()
                .map(example -> new InfluenceQuery(example.id(), List.of(example))).toList();
        double chance = 0;
        double best = 0;
        for (Record query : asked) {
            long others = learned.values().stream().filter(record -> !record.id().equals(query.id())).count();
            long right = learned.values().stream().filter(record -> counts(record, query)).count();
            chance += (double) right / others / asked.size();
            best += (double) Math.min(right, at) / at / asked.size();
        }
        List<Row> rows = new ArrayList<>();
        try (GradientLedger ledger = GradientLedger.open(open.run().ledger())) {
            ledger.requireModel(open.run().info().source().modelHash());
            for (String name : methods) {
                double[] precision = precision(open, ledger, method(name), encoded, asked, learned);
                Bootstrap mean = Bootstrap.of(precision, SEED);
                rows.add(new Row(name, mean.mean(), mean.low(), mean.high(), mean.low() > chance,
                        Arrays.stream(precision).boxed().toList()));
            }
        }
        return new Result(run.toString(), asked.size(), learned.size(), at, chance, best, rows);
    }

    private static boolean counts(Record record, Record query) {
        return Objects.equals(record.subject(), query.subject()) && !record.id().equals(query.id());
    }

    private static ScoreMethod method(String name) {
        try {
            ScoreMethod method = ScoreMethod.of(name);
            if (method != ScoreMethod.ACT_GRAD) {
                return method;
            }
        } catch (IllegalArgumentException e) {
            throw new BadInputException("--methods " + e.getMessage(), e);
        }
        throw new BadInputException("--methods act-grad: it scores the query's own records and ranks no others");
    }

    /** Of each query, [M]. */
    private double[] precision(OpenModel open, GradientLedger ledger, ScoreMethod method, List<InfluenceQuery> encoded,
                               List<Record> asked, Map<RecordKey, Record> learned) {
        SiteSet counted = sites == null ? ledger.format(open.model()).sites() : open.model().sites(sites);
        InfluenceScorer scorer = new InfluenceScorer(open.model(), ScoreOptions.defaults().withSites(counted));
        var entries = ledger.entries().stream()
                .filter(entry -> epochs == null || epochs.contains(entry.header().epoch())).toList();
        double[] precision = new double[asked.size()];
        if (method == ScoreMethod.SELF) {
            List<RecordScore> scores = scorer.selfInfluence(ledger, entries);
            for (int m = 0; m < precision.length; m++) {
                precision[m] = precision(scores, asked.get(m), learned);
            }
            return precision;
        }
        int[] next = {0};
        try (QueryVector along = curvature.along(method, open, counted)) {
            scorer.scores(ledger, entries, encoded, method.weighing(), along, (QueryScores scores) ->
                    precision[next[0]] = precision(scores.records(), asked.get(next[0]++), learned));
        }
        return precision;
    }

    private double precision(List<RecordScore> scores, Record query, Map<RecordKey, Record> learned) {
        return scores.stream().filter(score -> learned.containsKey(score.key())
                        && !learned.get(score.key()).id().equals(query.id()))
                .sorted(Comparator.comparingDouble((RecordScore score) -> -score.total())).limit(at)
                .filter(score -> counts(learned.get(score.key()), query)).count() / (double) at;
    }

    private static void print(Terminal terminal, Result result) {
        terminal.print("%,d queries, %,d records, precision at %d; chance %.3f, at best %.3f", result.queries,
                result.records, result.at, result.chance, result.best);
        for (Row row : result.methods) {
            terminal.print("%-10s %.3f  [%.3f, %.3f]%s", row.method, row.precision, row.low, row.high,
                    row.beatsChance ? "" : String.format(Locale.ROOT, "  does not beat chance"));
        }
    }
}
