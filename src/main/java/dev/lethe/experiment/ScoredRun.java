package dev.lethe.experiment;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Settings;
import dev.lethe.console.Counted;
import dev.lethe.console.CurvatureChoice;
import dev.lethe.console.OpenModel;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.influence.InfluenceQuery;
import dev.lethe.influence.InfluenceScorer;
import dev.lethe.influence.ScoreMerger.QueryScores.RecordScore;
import dev.lethe.influence.ScoreMethod;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.settings.TrainConfig.OnLong;
import dev.lethe.shape.SiteSet;
import dev.lethe.spec.FormSettings;
import dev.lethe.text.Example;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What an experiment on scores is given: a run with a ledger, queries, and scores to compare; and those scores. */
final class ScoredRun {
    @Parameters(paramLabel = "RUN", description = "A run with a ledger.")
    private Path run;

    @Option(names = "--queries", paramLabel = "FILE", required = true,
            description = "One query a record of this data file; held out is the honest choice.")
    private Path queries;

    @Option(names = "--methods", paramLabel = "NAMES", split = ",", defaultValue = "dot,tracin,cosine,self",
            description = "Scores to compare; self is the baseline that sees no query (default: ${DEFAULT-VALUE}).")
    private List<String> methods;

    private final Counted counted = new Counted(4096);
    private final FormSettings form = new FormSettings();
    private final CurvatureChoice curvature = new CurvatureChoice();

    void into(Settings settings) {
        counted.into(settings);
        curvature.into(settings);
        form.into(settings);
    }

    Path run() {
        return run;
    }

    Path queries() {
        return queries;
    }

    /** The run with its ledger; the caller closes it. */
    OpenModel open(Engine engine) {
        OpenModel open = OpenModel.open(engine, run);
        if (open.run() == null || !open.run().hasLedger()) {
            open.close();
            throw new BadInputException(run + ": has no ledger; train with --capture");
        }
        return open;
    }

    /** The methods asked for, each of which ranks records. */
    List<ScoreMethod> methods() {
        List<ScoreMethod> chosen = methods.stream().map(name -> ScoreMethod.of("--methods", name)).toList();
        if (chosen.contains(ScoreMethod.ACT_GRAD)) {
            throw new BadInputException("--methods act-grad: it scores the query's own records and ranks no others");
        }
        return chosen;
    }

    List<TextRecord> asked() {
        return form.read(queries, RunFolder.openAny(run).info().data().form()).records();
    }

    List<Example> encoded(OpenModel open) {
        return open.encode(asked(), OnLong.TRUNCATE).examples();
    }

    /** The learned records, in the order of the data. */
    static List<TextRecord> learned(OpenModel open) {
        return open.run().data(Split.TRAIN).records();
    }

    GradientLedger ledger(OpenModel open) {
        GradientLedger ledger = GradientLedger.open(open.run().ledger());
        try {
            ledger.requireModel(open.run().info().source().modelHash());
            return ledger;
        } catch (Throwable e) {
            ledger.close();
            throw e;
        }
    }

    /**
     * A table a method, [M][N]: a row a query, a column a record of {@link #learned}, NaN for one without an entry. Methods
     * that differ only in how products are weighed share a pass over the ledger.
     */
    Map<ScoreMethod, double[][]> scores(OpenModel open, GradientLedger ledger, List<ScoreMethod> methods,
                                        Consumer<String> told) {
        Map<Entry.RecordKey, Integer> columns = new HashMap<>();
        for (TextRecord record : learned(open)) {
            columns.put(Entry.RecordKey.of(record.id()), columns.size());
        }
        SiteSet sites = open.sites(counted.sites(), ledger);
        InfluenceScorer scorer = new InfluenceScorer(open.model(), counted.options(sites));
        List<Entry> entries = counted.entries(ledger);
        List<InfluenceQuery> asked = encoded(open).stream()
                .map(example -> new InfluenceQuery(example.id(), List.of(example))).toList();
        Map<ScoreMethod, List<double[]>> rows = new LinkedHashMap<>();
        methods.forEach(method -> rows.put(method, new ArrayList<>()));
        for (List<ScoreMethod> alike : methods.stream().distinct()
                .collect(Collectors.groupingBy(ScoreMethod::vector, LinkedHashMap::new, Collectors.toList())).values()) {
            if (alike.getFirst() == ScoreMethod.SELF) {
                double[] row = row(scorer.selfInfluence(ledger, entries), columns);
                asked.forEach(_ -> rows.get(ScoreMethod.SELF).add(row));
                continue;
            }
            try (InfluenceQuery.QueryVector along = curvature.along(alike.getFirst(), open, sites, null, told)) {
                scorer.scores(ledger, entries, asked, alike.stream().map(ScoreMethod::weighing).toList(), along,
                        (weighing, scores) -> alike.stream().filter(method -> method.weighing() == weighing)
                                .forEach(method -> rows.get(method).add(row(scores.records(), columns))));
            }
        }
        Map<ScoreMethod, double[][]> tables = new LinkedHashMap<>();
        rows.forEach((method, table) -> tables.put(method, table.toArray(double[][]::new)));
        return tables;
    }

    private static double[] row(List<RecordScore> scores, Map<Entry.RecordKey, Integer> columns) {
        double[] row = new double[columns.size()];
        Arrays.fill(row, Double.NaN);
        for (RecordScore score : scores) {
            Integer column = columns.get(score.key());
            if (column != null) {
                row[column] = score.total();
            }
        }
        return row;
    }
}
