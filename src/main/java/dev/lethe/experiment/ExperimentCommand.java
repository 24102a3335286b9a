package dev.lethe.experiment;

import dev.lethe.base.BadInputException;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import dev.lethe.engine.Engine;
import dev.lethe.page.StudyPage;
import dev.lethe.spec.CellResult;
import dev.lethe.sweep.Sweep;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe experiment: a study described by a JSON file, or a measurement of one of Lethe's own methods. */
@Command(name = "experiment",
        subcommands = {InfluenceExperiment.class, ExperimentCommand.LdsExperiment.class, ExperimentCommand.LooExperiment.class},
        description = {"Carries out a study that a JSON file describes, or measures scores.",
            "A study (docs/experiment.md) ends with figures and tables; killed, it goes on where it was. The commands measure one of"
                    + " Lethe's methods each."})
public final class ExperimentCommand extends LetheCommand {
    @Parameters(arity = "0..1", paramLabel = "SPEC", description = "The sweep, such as specs/paper-demo.json.")
    private Path spec;

    @Option(names = "--out", paramLabel = "DIR", description = "Folder of the study, new or begun.")
    private Path out;

    @Option(names = "--data-dir", paramLabel = "D", description = "Where the spec's data files are (default: beside the spec).")
    private Path dataDir;

    @Option(names = "--only", paramLabel = "GLOB", description = "Only these variants, as VARIANT or FORGET/VARIANT.")
    private String only;

    @Option(names = "--seeds", paramLabel = "N", split = ",", description = "Only these of the spec's seeds.")
    private List<Long> seeds;

    @Option(names = "--base", paramLabel = "DIR", description = "Folder of the models that studies begin with, which several"
            + " may share (default: base in --out).")
    private Path bases;

    @Option(names = "--base-only", description = "Make only the model that the spec's models begin with.")
    private boolean baseOnly;

    @Option(names = "--dry-run", description = "Check the spec and list its cells; train and measure nothing.")
    private boolean dryRun;

    @Option(names = "--page", paramLabel = "DIR", description = "Draw study.html, figures and tables of a study's folder anew"
            + " from its results.jsonl; run nothing.")
    private Path page;

    private final ModelPlace place = new ModelPlace();

    @Mixin
    private final SettingOptions settings = new SettingOptions(place::into, "device");

    /** What --json gives. @param measured cells that are there */
    record Result(String study, String folder, int cells, int measured, double seconds, List<Row> results) {}

    /** What --base-only --json gives of each base. */
    record BaseResult(String head, String run, long parameters, long steps, double heldOutLoss, String modelHash) {}

    /** One cell. */
    record Row(String id, String forget, String variant, long seed, boolean reached, String note, Map<String, Double> metrics) {
        static Row of(CellResult result) {
            return new Row(result.id(), result.cell().forget(), result.variant(), result.cell().seed(), result.reached(),
                    result.note(), result.metrics());
        }
    }

    @Override
    protected void work() {
        if (page != null) {
            draw();
            return;
        }
        if (spec == null) {
            throw new BadInputException("name a SPEC.json, or an experiment: influence, lds or loo");
        }
        if (out == null) {
            throw new BadInputException("--out DIR is missing: the folder of the study");
        }
        if (baseOnly && (dryRun || only != null || seeds != null)) {
            throw new BadInputException("--base-only makes the base and nothing else: leave out --dry-run, --only and --seeds");
        }
        long start = System.nanoTime();
        Sweep.Options options = new Sweep.Options(out, dataDir, only, seeds == null ? null : new LinkedHashSet<>(seeds), bases);
        if (baseOnly) {
            makeBases(options);
            return;
        }
        try (Engine engine = place.open(); SweepProgress progress = new SweepProgress(this)) {
            List<CellResult> results = dryRun ? Sweep.dryRun(engine, spec, options)
                    : Sweep.run(engine, spec, options, progress).results();
            List<Row> rows = results.stream().map(Row::of).toList();
            Result result = new Result(spec.toString(), out.toString(), rows.size(),
                    (int) rows.stream().filter(row -> !row.metrics.isEmpty()).count(), (System.nanoTime() - start) / 1e9, rows);
            result(result, terminal -> print(terminal, result));
        }
    }

    private void makeBases(Sweep.Options options) {
        try (Engine engine = place.open(); SweepProgress progress = new SweepProgress(this)) {
            List<Sweep.Base> made = Sweep.makeBases(engine, spec, options, progress);
            List<BaseResult> bases = made.stream().map(base -> new BaseResult(base.head(), base.run().toString(), base.parameters(),
                    base.steps(), base.heldOutLoss(), base.modelHash())).toList();
            result(Map.of("study", spec.toString(), "bases", bases), terminal -> bases.forEach(base ->
                    terminal.print("%s: %,d parameters, %,d steps, held-out text %.3f nats, in %s", base.head, base.parameters,
                            base.steps, base.heldOutLoss, base.run)));
        }
    }

    private void draw() {
        if (spec != null || out != null) {
            throw new BadInputException("--page " + page + ": draws what is there; leave out SPEC and --out");
        }
        Path drawn = StudyPage.of(page);
        result(Map.of("page", drawn.toString()), terminal -> terminal.print("%s", drawn));
    }

    private void print(Terminal terminal, Result result) {
        if (!dryRun) {
            terminal.print("%-24s %-40s %6s %8s %8s %8s %9s %8s", "forget", "variant", "seed", "forget", "retain", "held-out", "base text",
                    "steps");
        }
        for (Row row : result.results) {
            terminal.print(dryRun ? "%-24s %-40s %6d" : "%-24s %-40s %6d %8s %8s %8s %9s %8s", row.forget, row.variant, row.seed,
                    number(row, "forget.loss"), number(row, "retain.loss"), number(row, "heldout.loss"), number(row, "base_text.loss"),
                    number(row, "cost.steps"));
        }
        terminal.print("%,d cells, %,d measured, %.0f s; everything is in %s", result.cells, result.measured, result.seconds,
                result.folder);
    }

    private static String number(Row row, String name) {
        Double value = row.metrics.get(name);
        return value == null ? "" : String.format(Locale.ROOT, value == Math.rint(value) ? "%.0f" : "%.3f", value);
    }

    /** lethe experiment lds: scores against models trained on random parts of the data. */
    @Command(name = "lds", description = {"Linear datamodeling score: scores against trainings on random subsets.",
        "The rank correlation of a query's loss with what the scores foretell, mean over the queries, with 95 %% bootstrap intervals. For a"
                + " small model: it is trained as often as there are subsets."})
    static final class LdsExperiment extends LetheCommand {
        private static final long SEED = 2;

        @Mixin
        private RetrainedScores retrained;

        @Option(names = "--subsets", paramLabel = "S", defaultValue = "50",
                description = "Random subsets to train on (default: 50).")
        private int subsets;

        @Option(names = "--share", paramLabel = "X", defaultValue = "0.5",
                description = "Share of the records in each (default: 0.5).")
        private double share;

        @Override
        protected void work() {
            if (subsets < 2 || !(share > 0 && share < 1)) {
                throw new BadInputException(subsets < 2 ? "--subsets " + subsets + ": must be at least 2"
                        : "--share " + share + ": must be above 0 and below 1");
            }
            retrained.measure(this, this::absent, false);
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

    /** lethe experiment loo: scores against models trained without one record. */
    @Command(name = "loo", description = {"Leave-one-out: scores against trainings without one record.",
        "Rank correlation and sign agreement of each query's change of loss with the record's score, with 95 %% bootstrap intervals. For a"
                + " small model: it is trained as often as records are left out."})
    static final class LooExperiment extends LetheCommand {
        private static final long SEED = 3;

        @Mixin
        private RetrainedScores retrained;

        @Option(names = "--leave", paramLabel = "N", defaultValue = "50",
                description = "Records left out, one at a time, drawn from the run's (default: 50).")
        private int leave;

        @Override
        protected void work() {
            if (leave < 2) {
                throw new BadInputException("--leave " + leave + ": must be at least 2");
            }
            retrained.measure(this, this::absent, true);
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
}
