package dev.lethe.cli;

import dev.lethe.LetheException;
import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Reason;
import dev.lethe.base.Settings;
import dev.lethe.base.Sizes;
import dev.lethe.cli.AdoptCommand.AdoptOptions;
import dev.lethe.cli.CertifyCommand.CertifyOptions;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.RankChoice;
import dev.lethe.console.Selection;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import dev.lethe.data.Dataset;
import dev.lethe.engine.Engine;
import dev.lethe.erase.OpenRun;
import dev.lethe.find.Finder;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.ForgetSet.Match;
import dev.lethe.influence.FactorShards;
import dev.lethe.model.Checkpoint;
import dev.lethe.objective.Alternates;
import dev.lethe.proof.Certifier;
import dev.lethe.results.Destroyed;
import dev.lethe.results.Erasure;
import dev.lethe.results.Losses;
import dev.lethe.results.ReplayPrice;
import dev.lethe.results.Trace;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.settings.Copy;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.Strategy;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.ModelShape;
import dev.lethe.spec.EraseSettings;
import dev.lethe.spec.FormSettings;
import dev.lethe.train.Adopter;
import dev.lethe.train.Ranks;
import dev.lethe.train.Trainer;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe erase: removes records from a run's model into a new run. */
@Command(name = "erase", description = {"Removes records from a run's model into a new run.",
    "Their stored gradients are destroyed in every run of the lineage. Exit code 3 when a guard refuses, and then nothing is changed;"
            + " 4 when something could not be destroyed, see lethe finish."})
final class EraseCommand extends LetheCommand {
    /** Copies of a kind that are named on stdout; --json has all. */
    private static final int SHOWN = 10;

    @Parameters(paramLabel = "RUN", description = "The run to erase from; or a model that was trained elsewhere on --data, which is"
            + " adopted on the way.")
    private Path run;

    @Option(names = "--out", paramLabel = "RUN2", description = "Folder of the new run.")
    private Path out;

    @Option(names = "--data", paramLabel = "FILE", description = "The run's data file, if it has moved; of a model its records.")
    private Path data;

    @Option(names = "--dry-run", description = "Only show which records are meant and why, and what --strategy replay would take.")
    private boolean dryRun;

    @Option(names = "--shard", paramLabel = "I/N", description = "Compute the I-th of N parts of gauss-newton's ledger_curvature"
            + " alone, a file in the folder --out: all of them are the setting factors.")
    private String shard;

    private Path model; // null for a run
    private Path adopted;
    private Path request;
    private EraseSettings erase;
    private Runnable ending = () -> { };
    private Certifier certifier; // null without a key
    private AdoptCommand.Result made; // on the way, or null
    private final long start = System.nanoTime();
    private final CertifyOptions proof = new CertifyOptions();
    private final ModelPlace place = new ModelPlace();
    private final AdoptOptions known = new AdoptOptions(place);
    private final FormSettings form = new FormSettings();

    @Mixin
    private Selection selection;

    @Mixin
    private final SettingOptions settings = new SettingOptions(this::settings, "strategy", "reference", "copies", "key", "device");

    @Mixin
    private RankChoice ranks;

    /** What --json gives after an erasure. */
    record Result(String id, String run, String source, List<Match> matches, double target, Losses before, Losses after,
                  int ascents, int repairs, boolean reached, double influenceLeft, List<String> broken, long trainSteps,
                  double repairShare, Erasure.Relearning relearning,
                  Map<String, double[]> influenceForget, Map<String, double[]> influenceRetain, int entriesDestroyed,
                  List<Destroyed> places, List<Trace> left, double seconds, int records,
                  List<Copy> copies, AdoptCommand.Result adopted, Certifier.Certified certificate) {
        static Result of(Erasure erasure, List<Match> matches, AdoptCommand.Result adopted, Certifier.Certified certificate,
                         double seconds) {
            return new Result(erasure.id(), erasure.out().toString(), erasure.source().toString(), matches,
                    erasure.target(), erasure.before(), erasure.after(), erasure.ascents(), erasure.repairs(),
                    erasure.reached(), erasure.influenceLeft(), erasure.broken(), erasure.trainSteps(),
                    erasure.repairShare(), erasure.relearning(),
                    erasure.influence().magnitude("forget"), erasure.influence().magnitude("retain"),
                    erasure.entriesDestroyed(), erasure.places(), erasure.left(), seconds, erasure.records().size(),
                    erasure.copies(), adopted, certificate);
        }
    }

    /** What --json gives with --dry-run. */
    record Plan(boolean dryRun, int records, List<Match> matches, List<Match> nearMisses, List<Copy> copies, ReplayPrice replay) {}

    @Override
    protected void work() {
        settings.refuse(erase.unused(settings.given().keySet()));
        if (!RunFolder.isRun(run) && Checkpoint.isCheckpoint(run)) {
            model = run;
        }
        requireSense();
        ranks.require("erase");
        try (Engine engine = ranks.join(place.open(), terminal())) {
            Ranks.of(engine).together(() -> {
                certifier = dryRun || shard != null || ranks.follows() ? null : proof.certifier(out);
                if (certifier != null) {
                    certifier.precheck();
                }
                made = model == null ? null : adopt(engine);
                erase(engine);
                return null;
            });
            ending.run(); // no longer together: a rank that is lost from here on has no part in what is done
        }
    }

    private void settings(Settings all, Map<String, String> given) {
        erase = new EraseSettings(given);
        erase.into(all);
        all.section("records that are not looked for").text("request", "FILE", "", "Records in the request's own words, as a data file, in"
                + " place of --ids, --subject or --text; needs iterative", value -> request = Path.of(value));
        proof.into(all);
        known.into(all);
        all.text("adopted", "RUN", "", "Folder of the adopted run, which the lineage needs (default: RUN2.adopted beside RUN2)",
                value -> adopted = Path.of(value));
        form.into(all);
        place.into(all);
    }

    private void requireSense() {
        List<String> problems = new ArrayList<>();
        if (out == null && !dryRun) {
            problems.add(shard == null ? "--out RUN2 is missing: the folder of the new run"
                    : "--out DIR is missing: the folder of the shards");
        }
        if (shard != null && (dryRun || request != null || model != null || settings.given().containsKey("key"))) {
            problems.add("--shard erases nothing and certifies nothing: it takes a run, and neither --dry-run, request nor key");
        }
        if (ranks.asked() && (dryRun || shard != null || model != null)) {
            problems.add("--ranks erases from a run, and neither looks (--dry-run) nor computes shards; a model is adopted by one process,"
                    + " with lethe adopt");
        }
        ShardChoice.of(shard);
        List<String> adoptions = settings.given().keySet().stream()
                .filter(name -> name.equals("adopted") || AdoptOptions.NAMES.contains(name)).toList();
        if (model == null && !adoptions.isEmpty()) {
            problems.add(String.join(", ", adoptions) + ": of an adoption, and " + run + " is no model folder");
        }
        if (model != null && data == null) {
            problems.add(model + " is a model and no run, and needs --data FILE: the records that it was trained on");
        }
        if (model != null && dryRun) {
            problems.add("--dry-run writes nothing and so adopts nothing: lethe find --data FILE shows which records are meant");
        }
        if (adopted != null && adopted.equals(out)) {
            problems.add("adopted and --out are one folder, and there are two runs");
        }
        if (!problems.isEmpty()) {
            throw new BadInputException(String.join("; ", problems));
        }
    }

    /** Nothing is adopted for an erasure that cannot be. */
    private AdoptCommand.Result adopt(Engine engine) {
        ModelSource.Pretrained source = known.source(model);
        ModelShape shape = Checkpoint.shape(source);
        EraseConfig config = config(shape);
        if (config.strategy().kind() == Strategy.Kind.RETRAIN) {
            throw new BadInputException("--strategy " + config.strategy().label() + ": the training of " + model
                    + " is not Lethe's to repeat; train its base on the records to keep instead");
        }
        RunFolder.requireFree(out);
        Dataset records = form.read(data, null);
        if (request == null) {
            try (Finder finder = new Finder(records.records())) {
                ForgetSet forget = finder.find(selection.query());
                forget.requireErasable();
                Alternates.require(config.strategy(), records.filter(record -> forget.ids().contains(record.id())).records(),
                        config.alternates());
            }
        }
        if (adopted == null) {
            Path whole = out.toAbsolutePath().normalize();
            adopted = whole.resolveSibling(whole.getFileName() + ".adopted");
        }
        run = adopted;
        boolean ascends = config.strategy().kind() == Strategy.Kind.ASCENT;
        TrainConfig.Builder kept = known.with(TrainConfig.builder()).seed(config.seed()).sites(ascends ? config.sites() : null);
        try (TrainProgress progress = new TrainProgress(this, "adopt")) {
            RunFolder made = Adopter.adoptOnce(engine, source, records, run, kept.build(), known.asked(), progress);
            return AdoptCommand.Result.of(made, progress);
        }
    }

    private void erase(Engine engine) {
        try (OpenRun open = data == null ? OpenRun.open(engine, run)
                : OpenRun.open(engine, run, form.read(data, RunFolder.openAny(run).info().data().form()))) {
            if (request != null) {
                unmatched(open);
                return;
            }
            ForgetSet forget = open.find(selection.query());
            if (dryRun) {
                List<Copy> copies = forget.size() == 0 ? List.of() : open.copies(forget);
                ReplayPrice price = null;
                String noReplay = "";
                try {
                    price = forget.size() == 0 ? null : open.replayPrice(forget);
                } catch (BadInputException | DamagedDataException e) {
                    noReplay = Reason.of(e);
                }
                String replay = price == null ? noReplay : "strategy replay: " + price;
                Plan plan = new Plan(true, forget.total(), forget.matches(), forget.nearMisses(), copies, price);
                result(plan, terminal -> {
                    FindCommand.print(terminal, forget.matches());
                    print(terminal, "copies of them, for --copies to decide on", copies, copy -> !copy.heldOut());
                    print(terminal, "held-out copies of learned records", copies, Copy::heldOut);
                    if (!replay.isEmpty()) {
                        terminal.print("%s", replay);
                    }
                    terminal.print("%,d of %,d records would be erased; nothing was changed", forget.size(), forget.total());
                    FindCommand.printNearMisses(terminal, forget);
                });
                forget.requireErasable();
                return;
            }
            forget.requireErasable();
            if (shard != null) {
                ShardChoice part = ShardChoice.of(shard);
                FactorShards.Written written = open.curvature(forget, config(open), factors -> factors.write(part.i(), part.n(), out,
                        Trainer.modelHash(factors.model()), RunInfo.computing(engine)));
                result(written, terminal -> terminal.print("shard %s  curvature at %,d of the sites, of %,d entries, %s: %s", shard,
                        written.sites().size(), written.entries(), Sizes.of(written.bytes()), written.file()));
                return;
            }
            remark("erase: %,d of %,d records", forget.size(), forget.total());
            try (EraseProgress progress = new EraseProgress(this)) {
                Erasure erasure = open.erase(forget, config(open), out, progress);
                progress.end();
                ending = () -> tell(erasure, forget.matches());
            }
        }
    }

    private EraseConfig config(ModelShape shape) {
        return erase.config().settled(shape);
    }

    private EraseConfig config(OpenRun open) {
        ModelShape shape = open.folder().info().source().shape();
        EraseConfig config = config(shape);
        if (shape.hasAdapters()) {
            remark("erase: of an adapter, %s", config.sites().equals("all") ? "at all its sites" : "at " + config.sites());
        }
        return config;
    }

    /** The result, also where the certificate comes to nothing: what was erased is erased. */
    private void tell(Erasure erasure, List<Match> matches) {
        if (ranks.follows()) {
            return; // the first rank hands it over
        }
        Certifier.Certified certificate = null;
        RuntimeException failure = null;
        try {
            certificate = certifier == null ? null : certifier.certify(out);
        } catch (LetheException | UncheckedIOException e) {
            failure = e;
        }
        Result result = Result.of(erasure, matches, made, certificate, (System.nanoTime() - start) / 1e9);
        result(result, terminal -> print(terminal, result));
        if (failure != null) {
            terminal().say("the erasure is done and has no certificate; make it with: lethe certify %s", out);
            throw failure;
        }
    }

    private void unmatched(OpenRun open) {
        EraseConfig config = config(open);
        if (!selection.isEmpty() || dryRun || config.iterative() == null) {
            throw new BadInputException("request looks for no records: it goes with iterative=SHARExROUNDS, and without"
                    + " --ids, --subject, --text and --dry-run");
        }
        Dataset own = form.read(request, open.folder().info().data().form());
        remark("erase: %,d records of the request, unmatched", own.size());
        try (EraseProgress progress = new EraseProgress(this)) {
            Erasure erasure = open.eraseUnmatched(own.records(), config, out, progress);
            progress.end();
            ending = () -> tell(erasure, List.of());
        }
    }

    private static void print(Terminal terminal, Result result) {
        if (result.adopted != null) {
            AdoptCommand.print(terminal, result.adopted);
            terminal.print("adopted: later erasures and lethe finish need that run beside this one");
        }
        terminal.print("run           %s (erasure %s)", result.run, result.id);
        terminal.print("records       %,d erased, %,d ledger entries destroyed", result.records,
                result.entriesDestroyed);
        print(terminal, "copies erased", result.copies, copy -> copy.taken() && !copy.heldOut());
        print(terminal, "copies left  ", result.copies, copy -> !copy.taken() && !copy.heldOut());
        print(terminal, "no reference ", result.copies, Copy::heldOut);
        printPlaces(terminal, result.places, result.left);
        result.broken.forEach(sentence -> terminal.print("guard ignored %s", sentence));
        terminal.print("steps         %d of ascent, %d that saw retain records (%.1f %% of the training's %,d)", result.ascents,
                result.repairs, 100 * result.repairShare, result.trainSteps);
        terminal.print("mean loss     %8s %8s", "before", "after");
        terminal.print("  forget      %8.3f %8.3f   reference %.3f", result.before.forget(), result.after.forget(), result.target);
        terminal.print("  retain      %8.3f %8.3f   of the sampled records", result.before.retain(), result.after.retain());
        boolean heldOut = !Double.isNaN(result.before.heldOut());
        if (heldOut) {
            terminal.print("  held-out    %8.3f %8.3f", result.before.heldOut(), result.after.heldOut());
        }
        if (!Double.isNaN(result.before.keep())) {
            terminal.print("  to keep     %8.3f %8.3f   of the text watched", result.before.keep(), result.after.keep());
        }
        if (!Double.isNaN(result.relearning.after())) {
            terminal.print("relearning    %8.3f %8.3f" + (heldOut ? "   records never seen %.3f" : ""), result.relearning.before(),
                    result.relearning.after(), result.relearning.heldOut());
        }
        if (result.certificate != null) {
            CertifyOptions.print(terminal, result.certificate);
        }
        terminal.print("time          %.1f s", result.seconds);
    }

    /** Where entries were destroyed, and what only a person can clean. */
    static void printPlaces(Terminal terminal, List<Destroyed> places, List<Trace> left) {
        places.forEach(place -> terminal.print("  destroyed   %,d entries in %s", place.entries(), place.run()));
        left.forEach(place -> terminal.print("still there   %s: %s, %s; yours to delete", place.path(), place.holds(),
                place.found() == Trace.Found.YES ? "with what was erased" : "which cannot be searched"));
    }

    private static void print(Terminal terminal, String label, List<Copy> copies, Predicate<Copy> which) {
        List<Copy> shown = copies.stream().filter(which).toList();
        if (!shown.isEmpty()) {
            terminal.print("%s %,d: %s%s", label, shown.size(), shown.stream().limit(SHOWN).map(Copy::toString)
                    .collect(Collectors.joining(", ")), shown.size() > SHOWN ? ", ..." : "");
        }
    }
}
