package dev.lethe.cli;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Settings;
import dev.lethe.base.Sizes;
import dev.lethe.console.Counted;
import dev.lethe.console.CurvatureChoice;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.OpenModel;
import dev.lethe.console.SettingOptions;
import dev.lethe.engine.Engine;
import dev.lethe.engine.ParameterVector;
import dev.lethe.influence.EntryRows;
import dev.lethe.influence.InfluenceQuery;
import dev.lethe.influence.InfluenceScorer;
import dev.lethe.influence.InfluenceScorer.ScoreOptions;
import dev.lethe.influence.LedgerBlocks;
import dev.lethe.influence.LedgerBlocks.Shard;
import dev.lethe.influence.PartialScores;
import dev.lethe.influence.Parts;
import dev.lethe.influence.RowSource;
import dev.lethe.influence.ScoreMerger;
import dev.lethe.influence.ScoreMerger.QueryScores;
import dev.lethe.influence.ScoreMethod;
import dev.lethe.influence.ScoreMethod.Weighing;
import dev.lethe.influence.ScoreRequest;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.report.OutputFile;
import dev.lethe.run.RunInfo;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.SiteSet;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe score: which training records a text owes its loss to, or how strongly a model still responds to records. */
@Command(name = "score", description = {"Ranks the captured records by their influence on a query.",
    "Method act-grad gives each query record's own activation-gradient product. Formulas: docs/influence.md."})
final class ScoreCommand extends LetheCommand {
    private static final int BATCH = 16;

    @Parameters(paramLabel = "RUN", description = "A run; act-grad also takes a model folder.")
    private Path run;

    @Mixin
    private ScoreQueries queries;

    @Option(names = "--method", paramLabel = "NAME", defaultValue = "dot",
            description = "dot, tracin, cosine, self, act-grad, hvp, cg, ekfac or ekfac-cosine (default: dot);"
                    + " ekfac over the last block finds the right records most often.")
    private String method;

    @Option(names = "--csv", paramLabel = "FILE", description = "Write query, rank, id, score and the sites' parts.")
    private OutputFile csv;

    @Option(names = "--plot", paramLabel = "FILE", description = "Draw the distribution of all scores, .svg or .png.")
    private OutputFile plot;

    @Option(names = "--shard", paramLabel = "I/N", description = "Score the I-th of N parts of the ledger alone: lethe merge-scores makes"
            + " one result of all.")
    private String shard;

    @Option(names = "--out", paramLabel = "DIR", description = "With --shard: folder of the partial results.")
    private Path out;

    private int top = 20;
    private boolean spark;
    private final Counted counted = new Counted(1024);
    private final CurvatureChoice curvature = new CurvatureChoice();
    private final ModelPlace place = new ModelPlace();

    @Mixin
    private final SettingOptions settings = new SettingOptions(all -> {
        counted.into(all);
        all.whole("top", top, "How many to show; 0 = all", value -> top = Settings.atLeast(0, value))
                .flag("spark", "The pass over the ledger is a Spark job, on CPUs and in f32: spark/README.md", value -> spark = value);
        curvature.into(all);
        this.queries.into(all);
        place.into(all);
    }, "sites", "top", "device");

    private String machine;

    @Override
    protected void work() {
        ScoreMethod chosen = checked();
        try (Engine engine = place.open(); OpenModel open = OpenModel.open(engine, run)) {
            machine = RunInfo.computing(engine);
            List<InfluenceQuery> asked = chosen == ScoreMethod.SELF ? List.of() : queries.of(open,
                    answer -> remark("the model answers: %s", answer));
            ScoreTable table = new ScoreTable(open.model().sites(), top);
            if (chosen == ScoreMethod.ACT_GRAD) {
                respond(open, asked, table);
            } else {
                rank(open, asked, chosen, table);
            }
            if (shard == null) {
                table.output(this, chosen, csv, plot, asked.size());
            }
        }
    }

    private ScoreMethod checked() {
        ScoreMethod chosen = ScoreMethod.of("--method", method);
        if (shard == null && out != null || shard != null && out == null) {
            throw new BadInputException("--shard I/N and --out DIR go together: a shard's partial result is a file in that folder");
        }
        ShardChoice.of(shard);
        if (shard != null && (chosen == ScoreMethod.ACT_GRAD || csv != null || plot != null)) {
            throw new BadInputException(chosen == ScoreMethod.ACT_GRAD ? "--method act-grad reads no ledger, which has the shards"
                    : "--csv and --plot go with lethe merge-scores, which has all shards' scores");
        }
        if (spark && (shard != null || chosen == ScoreMethod.ACT_GRAD || !place.device().equals(Device.cpu())
                || place.compute() != Dtype.F32)) {
            throw new BadInputException("spark: a Spark job passes over a whole ledger, on CPUs and in f32; leave out --shard, --method"
                    + " act-grad, device and compute, or spark");
        }
        if (chosen == ScoreMethod.SELF && !queries.isEmpty()) {
            throw new BadInputException("--method self scores each record on itself and takes no query");
        }
        return chosen;
    }

    /** Scores of the whole ledger into the table, or a shard's rows into its file. */
    private void rank(OpenModel open, List<InfluenceQuery> asked, ScoreMethod chosen, ScoreTable table) {
        if (open.run() == null || !open.run().hasLedger()) {
            throw new BadInputException(run + ": has no ledger, and " + chosen.label() + " needs the gradients captured in"
                    + " training; use --method act-grad, or train with --capture");
        }
        try (GradientLedger ledger = GradientLedger.open(open.run().ledger())) {
            ledger.requireModel(open.run().info().source().modelHash());
            SiteSet sites = open.sites(counted.sites(), ledger);
            List<Entry> entries = counted.entries(ledger);
            InfluenceScorer scorer = new InfluenceScorer(open.model(), counted.options(sites));
            LedgerBlocks blocks = scorer.blocks(entries);
            List<Weighing> weighings = List.of(chosen.weighing());
            long records = entries.stream().map(entry -> entry.header().key()).distinct().count();
            Function<ParameterVector, Set<RecordKey>> shown = top == 0 || top >= records || plot != null ? null // all are asked for
                    : vector -> scorer.first(ledger, entries, vector, top);
            BiConsumer<Shard, EntryRows.Sink> pass = (part, sink) -> {
                try (InfluenceQuery.QueryVector along = curvature.along(chosen, open, sites, shown, told -> remark("%s", told))) {
                    if (spark) {
                        RowSource.spark().rows(new RowSource.Pass(run, open.model(), ledger, blocks, scorer.options(), asked, weighings,
                                along), sink);
                    } else if (chosen == ScoreMethod.SELF) {
                        scorer.selfRows(ledger, blocks, part, sink);
                    } else {
                        scorer.rows(ledger, blocks, part, asked, weighings, along, sink);
                    }
                }
            };
            if (shard != null) {
                write(open, ScoreRequest.of(Checkpoint.hash(open.folder()), blocks, sites.names(), asked, weighings, asSet(chosen)),
                        blocks, pass);
                return;
            }
            Map<RecordKey, String> names = ScoreTable.names(open.run());
            ScoreMerger merger = new ScoreMerger(blocks, open.model().sites().size(), weighings, (_, scores) -> table.add(names, scores));
            pass.accept(blocks.all(), merger);
            merger.end();
        }
    }

    /** Whatever of the settings decides about a partial result and is not told by something else of it. */
    private Map<String, String> asSet(ScoreMethod chosen) {
        Map<String, String> set = new TreeMap<>(settings.given());
        set.keySet().removeAll(List.of("sites", "device", "threads", "base"));
        set.put("machine", machine); // by which, too, the last bits of a product are decided
        if (chosen == ScoreMethod.CG) {
            set.put("top", String.valueOf(top)); // when it ends
        } else {
            set.remove("top");
        }
        set.put("method", chosen.label());
        return set;
    }

    /** What --json gives of a shard. */
    record Partial(String file, String method, int shard, int of, int entries, int first, int last, long bytes) {}

    private void write(OpenModel open, ScoreRequest request, LedgerBlocks blocks, BiConsumer<Shard, EntryRows.Sink> pass) {
        ShardChoice choice = ShardChoice.of(shard);
        Shard part = blocks.shard(choice.i(), choice.n());
        Path file = Parts.file(out, part.i(), part.n(), PartialScores.ENDING);
        Io.input(file + ": cannot be written", () -> PrivateFiles.makeFolder(out));
        PartialScores.write(file, request, part, open.model().sites(), sink -> pass.accept(part, sink));
        long bytes = Io.reading(file, () -> Files.size(file));
        Partial result = new Partial(file.toString(), request.settings().get("method"), part.i(), part.n(), part.last() - part.first(),
                part.first(), part.last(), bytes);
        result(result, terminal -> terminal.print("shard %s  %,d of %,d entries, %s: %s", part, result.entries,
                blocks.entries().size(), Sizes.of(result.bytes), file));
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
}
