package dev.lethe.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.base.Settings;
import dev.lethe.console.Common;
import dev.lethe.console.Counted;
import dev.lethe.console.CurvatureChoice;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.OpenModel;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import dev.lethe.engine.Engine;
import dev.lethe.engine.ParameterVector;
import dev.lethe.influence.InfluenceQuery;
import dev.lethe.influence.InfluenceScorer;
import dev.lethe.influence.LedgerBlocks;
import dev.lethe.influence.QueryScores.RecordScore;
import dev.lethe.influence.QueryScores;
import dev.lethe.influence.RowSource;
import dev.lethe.influence.ScoreMerger;
import dev.lethe.influence.ScoreMethod.Weighing;
import dev.lethe.influence.ScoreMethod;
import dev.lethe.influence.ScoreOptions;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.report.OutputFile;
import dev.lethe.report.ScorePlot;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.SiteSet;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe score: which training records a text owes its loss to, or how strongly a model still responds to records. */
@Command(name = "score", description = {"Ranks the captured records by their influence on a query.",
    "Method act-grad gives each query record's own activation-gradient product. Formulas: docs/influence.md."})
final class ScoreCommand implements Callable<Integer> {
    private static final int BATCH = 16;

    @Parameters(paramLabel = "RUN", description = "A run; act-grad also takes a model folder.")
    private Path run;

    @Mixin
    private ScoreQueries queries;

    @Option(names = "--method", paramLabel = "NAME", defaultValue = "dot",
            description = "dot, tracin, cosine, self, act-grad, hvp, cg, lissa, ekfac or ekfac-cosine (default: dot);"
                    + " ekfac over the last block finds the right records most often.")
    private String method;

    @Option(names = "--csv", paramLabel = "FILE", description = "Write query, rank, id, score and the sites' parts.")
    private OutputFile csv;

    @Option(names = "--plot", paramLabel = "FILE", description = "Draw the distribution of all scores, .svg or .png.")
    private OutputFile plot;

    @Option(names = "--spark", description = "The pass over the ledger is a Spark job (spark/README.md).")
    private boolean spark;

    private int top = 20;
    private final Counted counted = new Counted(1024);
    private final CurvatureChoice curvature = new CurvatureChoice();
    private final ModelPlace place = new ModelPlace();

    @Mixin
    private final SettingOptions settings = new SettingOptions(all -> {
        counted.into(all);
        all.whole("top", top, "How many to show; 0 = all", value -> top = Settings.atLeast(0, value));
        curvature.into(all);
        this.queries.into(all);
        place.into(all);
    }, "sites", "top", "device");

    @Mixin
    private Common common;

    /** What --json gives; records of the only query, or queries when there are several. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Result(String method, String form, Integer scored, List<ScoreTable.Scored> records,
                  List<ScoreTable.Ranking> queries) {}

    @Override
    public Integer call() {
        settings.apply();
        ScoreMethod chosen = checked();
        try (Engine engine = place.open(); OpenModel open = OpenModel.open(engine, run)) {
            List<InfluenceQuery> asked = chosen == ScoreMethod.SELF ? List.of() : queries.of(open,
                    answer -> common.remark("the model answers: %s", answer));
            ScoreTable table = new ScoreTable(open.model().sites(), top);
            if (chosen == ScoreMethod.ACT_GRAD) {
                respond(open, asked, table);
            } else {
                rank(open, asked, chosen, table, told -> common.remark("%s", told));
            }
            if (csv != null) {
                csv.write(table.csv());
            }
            if (plot != null) {
                ScorePlot.write(plot, "Influence of records, " + chosen.label() + (asked.size() > 1 ? ", "
                        + asked.size() + " queries" : ""), chosen.unit(), table.totals());
            }
            Result result = result(chosen, table.rankings());
            common.result(result, terminal -> print(terminal, chosen, table.rankings()));
        }
        return 0;
    }

    private ScoreMethod checked() {
        ScoreMethod chosen;
        try {
            chosen = ScoreMethod.of(method);
        } catch (IllegalArgumentException e) {
            throw new BadInputException("--method " + Reason.of(e), e);
        }
        if (chosen == ScoreMethod.SELF && !queries.isEmpty()) {
            throw new BadInputException("--method self scores each record on itself and takes no query");
        }
        if (spark && (chosen == ScoreMethod.ACT_GRAD || !place.device().equals(Device.cpu()) || place.compute() != Dtype.F32)) {
            throw new BadInputException("--spark is for passes over a ledger, on CPUs and in f32: give it no --method act-grad, device"
                    + " and compute");
        }
        return chosen;
    }

    private void rank(OpenModel open, List<InfluenceQuery> asked, ScoreMethod chosen, ScoreTable table,
                      Consumer<String> told) {
        if (open.run() == null || !open.run().hasLedger()) {
            throw new BadInputException(run + ": has no ledger, and " + chosen.label() + " needs the gradients captured in"
                    + " training; use --method act-grad, or train with --capture");
        }
        Map<RecordKey, String> names = new HashMap<>();
        open.run().records().forEach(record -> names.put(RecordKey.of(record.id()), record.id()));
        try (GradientLedger ledger = GradientLedger.open(open.run().ledger())) {
            ledger.requireModel(open.run().info().source().modelHash());
            SiteSet sites = open.sites(counted.sites(), ledger);
            List<Entry> entries = counted.entries(ledger);
            InfluenceScorer scorer = new InfluenceScorer(open.model(), ScoreOptions.defaults().withSites(sites)
                    .withQueryBytes(counted.queryBytes()));
            if (chosen == ScoreMethod.SELF && !spark) {
                table.add("self", null, named(table, names, scorer.selfInfluence(ledger, entries)));
                return;
            }
            long records = entries.stream().map(entry -> entry.header().key()).distinct().count();
            Function<ParameterVector, Set<RecordKey>> shown = top == 0 || top >= records || plot != null ? null // all are asked for
                    : vector -> scorer.first(ledger, entries, vector, top);
            try (InfluenceQuery.QueryVector along = curvature.along(chosen, open, sites, shown, told)) {
                Consumer<QueryScores> each = scores -> add(table, names, scores);
                if (spark) {
                    elsewhere(scorer, ledger, entries, asked, chosen.weighing(), along, each);
                } else {
                    scorer.scores(ledger, entries, asked, chosen.weighing(), along, each);
                }
            }
        }
    }

    private void elsewhere(InfluenceScorer scorer, GradientLedger ledger, List<Entry> entries, List<InfluenceQuery> asked,
                           Weighing weighing, InfluenceQuery.QueryVector along, Consumer<QueryScores> each) {
        LedgerBlocks blocks = scorer.blocks(entries);
        ScoreMerger merger = new ScoreMerger(blocks, scorer.model().sites().size(), List.of(weighing), (_, scores) -> each.accept(scores));
        RowSource.spark().rows(new RowSource.Pass(run, scorer.model(), ledger, blocks, scorer.options(), asked, List.of(weighing), along),
                merger);
        merger.end();
    }

    private static void add(ScoreTable table, Map<RecordKey, String> names, QueryScores scores) {
        table.add(scores.query(), scores.form() == null ? null : scores.form().name().toLowerCase(Locale.ROOT), named(table, names, scores.records()));
    }

    private static List<ScoreTable.Scored> named(ScoreTable table, Map<RecordKey, String> names, List<RecordScore> scores) {
        return scores.stream().map(score -> table.scored(names.getOrDefault(score.key(), score.key().toString()),
                score.total(), score.bySite())).toList();
    }

    private void respond(OpenModel open, List<InfluenceQuery> asked, ScoreTable table) {
        SiteSet chosen = counted.sites() == null ? null : open.sites(counted.sites());
        InfluenceScorer scorer = new InfluenceScorer(open.model(), ScoreOptions.defaults().withSites(chosen));
        List<ScoreTable.Scored> scores = new ArrayList<>();
        for (InfluenceQuery query : asked) {
            for (QueryScores.ActivationScore score : scorer.activationGradient(query.examples(), BATCH)) {
                scores.add(table.scored(score.id(), score.total(), score.bySite()));
            }
        }
        table.add(asked.size() == 1 ? asked.getFirst().name() : "all", null, scores);
    }

    private static Result result(ScoreMethod method, List<ScoreTable.Ranking> rankings) {
        if (rankings.size() != 1) {
            return new Result(method.label(), null, null, null, rankings);
        }
        ScoreTable.Ranking only = rankings.getFirst();
        return new Result(method.label(), only.form(), only.scored(), only.records(), null);
    }

    private static void print(Terminal terminal, ScoreMethod method, List<ScoreTable.Ranking> rankings) {
        for (ScoreTable.Ranking ranking : rankings) {
            if (rankings.size() > 1) {
                terminal.print("%s", ranking.query());
            }
            ranking.records().forEach(score -> terminal.print("%14.6g  %s", score.score(), score.id()));
            terminal.print("%,d of %,d records, %s", ranking.records().size(), ranking.scored(), method.label());
        }
    }
}
