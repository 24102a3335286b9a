package dev.lethe.cli;

import dev.lethe.data.Dataset;
import dev.lethe.data.Example;
import dev.lethe.data.OnLong;
import dev.lethe.data.Record;
import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.Site;
import dev.lethe.engine.SiteSet;
import dev.lethe.influence.ActivationScore;
import dev.lethe.influence.InfluenceScorer;
import dev.lethe.influence.RecordScore;
import dev.lethe.influence.ScoreOptions;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.RecordKey;
import dev.lethe.train.Split;
import dev.lethe.unlearn.Finder;
import dev.lethe.unlearn.Query;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/** lethe score: which training records a text owes its loss to, or how strongly a model still responds to records. */
@Command(name = "score", mixinStandardHelpOptions = true, sortOptions = false,
        description = "Scores influence: dot ranks the captured records by the product of their stored gradients with the"
                + " query's; act-grad gives each query record's activation-gradient product.")
final class ScoreCommand implements Callable<Integer> {
    private static final int BATCH = 16;

    @ParentCommand
    private Main main;

    @Option(names = "--run", paramLabel = "RUN", required = true,
            description = "A run; act-grad also takes a model folder.")
    private Path run;

    @Option(names = "--text", paramLabel = "T", description = "The query is this text.")
    private String text;

    @Option(names = "--ids", paramLabel = "ID", split = ",", description = "The query is these records.")
    private List<String> ids;

    @Option(names = "--data", paramLabel = "FILE", description = "Where --ids are looked up (default: the run's data).")
    private Path data;

    @Option(names = "--method", paramLabel = "NAME", defaultValue = "dot",
            description = "dot or act-grad (default: dot).")
    private String method;

    @Option(names = "--sites", paramLabel = "SITES", description = "Sites that count (default: all that are stored).")
    private String sites;

    @Option(names = "--top", paramLabel = "N", defaultValue = "20", description = "How many to show (default: 20).")
    private int top;

    @Mixin
    private Hardware hardware;

    @Mixin
    private Common common;

    /** What --json gives; records by falling score. */
    record Result(String method, int scored, List<Scored> records) {}

    /** @param bySite the sites that add to the score */
    record Scored(String id, double score, Map<String, Double> bySite) {}

    @Override
    public Integer call() {
        if ((text == null) == (ids == null)) {
            throw new BadInputException("name the query by exactly one of --text and --ids");
        }
        if (!Set.of("dot", "act-grad").contains(method)) {
            throw new BadInputException("--method " + method + ": this version has dot and act-grad");
        }
        Terminal terminal = main.terminal();
        try (Engine engine = hardware.open(); OpenModel open = OpenModel.open(engine, run)) {
            List<Example> query = open.encode(query(open), OnLong.TRUNCATE).examples();
            SiteSet chosen = sites == null ? null : sites(open);
            InfluenceScorer scorer = new InfluenceScorer(open.model(), ScoreOptions.defaults().withSites(chosen));
            List<Scored> scores = method.equals("dot") ? dot(open, scorer, query, chosen) : response(open, scorer, query);
            scores.sort(Comparator.comparingDouble((Scored score) -> -score.score));
            Result result = new Result(method, scores.size(), List.copyOf(scores.subList(0, Math.min(top, scores.size()))));
            common.result(terminal, result, () -> {
                result.records.forEach(score -> terminal.print("%14.6g  %s", score.score, score.id));
                terminal.print("%,d of %,d records, %s", result.records.size(), result.scored, method);
            });
        }
        return 0;
    }

    private List<Record> query(OpenModel open) {
        if (text != null) {
            return List.of(new Record("query", null, null, text));
        }
        if (data == null && open.run() == null) {
            throw new BadInputException("--data FILE is missing: " + run + " is not a run and knows no records");
        }
        Dataset known = data != null ? Dataset.read(data) : open.run().data(Split.TRAIN);
        try (Finder finder = new Finder(known.records())) {
            return finder.find(Query.ids(ids)).ids().stream().map(known::byId).toList();
        }
    }

    private SiteSet sites(OpenModel open) {
        try {
            return open.model().sites(sites);
        } catch (IllegalArgumentException e) {
            throw new BadInputException("--sites: " + e.getMessage(), e);
        }
    }

    private List<Scored> dot(OpenModel open, InfluenceScorer scorer, List<Example> query, SiteSet chosen) {
        if (open.run() == null || !open.run().hasLedger()) {
            throw new BadInputException(run + ": has no ledger, and dot needs the gradients captured in training; use"
                    + " --method act-grad, or train with --capture");
        }
        Map<RecordKey, String> names = new HashMap<>();
        open.run().records().forEach(record -> names.put(RecordKey.of(record.id()), record.id()));
        List<Scored> scores = new ArrayList<>();
        try (GradientLedger ledger = GradientLedger.open(open.run().ledger());
             ParameterVector gradient = scorer.query(query, BATCH)) {
            SiteSet held = ledger.format(open.model()).sites();
            if (chosen != null && !held.containsAll(chosen)) {
                throw new BadInputException("--sites " + sites + ": the ledger of " + run + " holds "
                        + String.join(", ", held.names()) + "; choose among these");
            }
            for (RecordScore score : scorer.tracIn(ledger, gradient)) {
                scores.add(new Scored(names.getOrDefault(score.key(), score.key().toString()), score.total(),
                        bySite(open, score.bySite())));
            }
        }
        return scores;
    }

    private static List<Scored> response(OpenModel open, InfluenceScorer scorer, List<Example> query) {
        List<Scored> scores = new ArrayList<>();
        for (ActivationScore score : scorer.activationGradient(query, BATCH)) {
            scores.add(new Scored(score.id(), score.total(), bySite(open, score.bySite())));
        }
        return scores;
    }

    private static Map<String, Double> bySite(OpenModel open, double[] values) {
        Map<String, Double> named = new LinkedHashMap<>();
        for (Site site : open.model().sites()) {
            if (values[site.index()] != 0) {
                named.put(site.name(), values[site.index()]);
            }
        }
        return named;
    }
}
