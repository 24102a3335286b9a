/*
 * A run's training again from the last kept checkpoint that has not seen some of its records, in the same order and with them
 * left out: the weights that the training would have come to had they been masked from its start, bit for bit on the same
 * machine. Also what it would cost, and which kept checkpoints are still good to begin from.
 */
package dev.lethe.train;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.engine.Work;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.results.ReplayPrice;
import dev.lethe.results.TrainListener;
import dev.lethe.run.Lineage;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunJson;
import dev.lethe.run.RunLock;
import dev.lethe.run.RunRecord;
import dev.lethe.run.TrainOrder;
import dev.lethe.settings.TrainConfig;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/** Replays of complete runs. Stateless; any thread, as {@link Trainer}. */
public final class Replay {
    /** Within a run: the folder of its kept checkpoints. */
    public static final String FOLDER = "replay";

    private Replay() { }

    /**
     * The price of a replay without these records. Changes nothing.
     *
     * @param ids of learned records; others count as seen by nobody
     * @throws BadInputException when there is no replay: no plan, the checkpoint is gone, or it is another plan's
     */
    public static ReplayPrice price(RunFolder run, Set<String> ids) {
        RunInfo info = run.info();
        if (info.adopted() != null) {
            throw new BadInputException("strategy replay: the model of " + run + " was trained elsewhere and adopted, so there"
                    + " is no plan of its training to replay; train its base on the records to keep instead, or erase by"
                    + " another strategy");
        }
        if (info.plan() == null) {
            throw new BadInputException("strategy replay: " + run + " has no plan to replay: an earlier version trained it, or an"
                    + " erasure took out what a request said in its own words, which a replay would bring back; erase by another"
                    + " strategy");
        }
        TrainOrder order = new TrainOrder(info.config(), info.plan());
        long first = order.first(info.plan().places(run.records(), ids));
        long from = info.plan().kept().stream().filter(step -> step <= first).mapToLong(Long::longValue).max().orElse(0);
        if (from > 0) {
            require(run, from);
        }
        return new ReplayPrice(from, order.steps() - from, order.steps(), (order.steps() - from) * secondsPerStep(run, from));
    }

    private static void require(RunFolder run, long step) {
        Path folder = TrainCheckpoint.kept(run.root(), step);
        if (!TrainCheckpoint.isKept(run.root(), step)) {
            throw new BadInputException("strategy replay: " + folder + ", which " + run + " keeps to replay from, is gone; bring"
                    + " it back from a copy, or erase by another strategy");
        }
        String made = TrainCheckpoint.plan(run.root(), step);
        String now = hash(run.info(), run.records(), step);
        if (!now.equals(made)) {
            throw new BadInputException("strategy replay: " + folder + " comes of another plan than " + run + " has, SHA-256 "
                    + made + ", now " + now + "; bring back the lethe.json, records.jsonl and checkpoint that were made together,"
                    + " or erase by another strategy");
        }
    }

    /** {@link TrainOrder#hash} of a run's plan. @param rows of its records.jsonl */
    static String hash(RunInfo info, List<RunRecord> rows, long step) {
        List<RunRecord> learned = rows.stream().filter(row -> row.split() == RunRecord.Split.TRAIN).toList();
        return new TrainOrder(info.config(), info.plan()).hash(info, learned, step);
    }

    /** The mean of the run's own steps behind {@code from}, else of those of its kin. */
    private static double secondsPerStep(RunFolder run, long from) {
        List<RunFolder> runs = new ArrayList<>(List.of(run));
        runs.addAll(Lineage.of(run).runs());
        for (RunFolder one : runs) {
            if (Files.isRegularFile(one.timings())) {
                return RunJson.lines(one.timings(), JsonNode.class).stream().filter(line -> line.path("step").asLong() > from)
                        .mapToDouble(line -> line.path("seconds").asDouble()).average().orElse(Double.NaN);
            }
        }
        return Double.NaN;
    }

    /**
     * Replays a run's training without some of its records.
     *
     * @param kept   the run's learned records that stay, in their order; its held-out ones, which move no weight, are left aside
     * @param folder for the replayed run, free
     * @return it, as a training with these records masked would have made it
     * @throws BadInputException as {@link #price}, and when the first weights are gone or the disk is too small
     */
    public static RunFolder of(Engine engine, RunFolder run, Dataset kept, Path folder, TrainListener listener) {
        return Work.run("replay", () -> {
            RunInfo info = run.info();
            TrainConfig config = info.config();
            Set<String> stay = kept.records().stream().map(TextRecord::id).collect(Collectors.toSet());
            Set<String> gone = run.records().stream().map(RunRecord::id).filter(id -> !stay.contains(id)).collect(Collectors.toSet());
            ReplayPrice price = price(run, gone);
            try (LoadedModel loaded = LoadedModel.load(engine, info.source().again(), config.dtype(), config.seed())) {
                Trainer.requireSameModel(run.root(), info.source(), loaded.model());
                Trainer.warnOfMachine(run, Trainer.machine(engine));
                Holdout split = new Holdout(kept, kept.filter(record -> false));
                EncodedRecords encoded = EncodedRecords.of(split, loaded, config);
                List<RunRecord> records = encoded.records(split, config.keepText());
                RunInfo.Plan masked = info.plan().without(run.records(), gone);
                Stream<Long> had = masked.kept().stream().filter(step -> step <= price.from());
                Stream<Long> made = new TrainOrder(config, masked).keeps().stream().filter(step -> step > price.from());
                RunInfo.Plan plan = masked.withKept(Stream.concat(had, made).toList());
                DiskNeed.of(loaded.model(), encoded.train(), config, plan).require(folder);
                RunFolder.makeFree(folder);
                try (var _ = RunLock.take(folder.resolve(RunFolder.LOCK))) {
                    takeUp(run, price.from(), folder);
                    RunInfo.Data data = Trainer.describe(split, config, encoded, records);
                    RunInfo fresh = new RunInfo(RunInfo.FORMAT, RunInfo.VERSION, RunInfo.State.TRAINING, info.source(), data, config,
                            Trainer.machine(engine), null, null, null, null, plan);
                    return Trainer.toEnd(engine, RunFolder.describe(folder, fresh, records), loaded, encoded, listener);
                }
            }
        });
    }

    /** Gives a new training what the run's had come to after so many steps; the logs are cut by whoever goes on with them. */
    private static void takeUp(RunFolder run, long from, Path folder) {
        if (from == 0) {
            return;
        }
        TrainCheckpoint.requireWhole(run.root(), from);
        link(run.root(), folder, run.info().plan().kept().stream().filter(step -> step <= from).toList());
        int entries = TrainCheckpoint.keptEntries(run.root(), from);
        if (run.hasLedger() && entries > 0) {
            GradientLedger.copyFirst(run.ledger(), folder.resolve("ledger"), entries);
        }
        Io.disk(folder + ": taking up the training", () -> {
            for (Path log : List.of(run.metrics(), run.timings())) {
                if (Files.isRegularFile(log)) {
                    PrivateFiles.write(folder.resolve(log.getFileName()), Files.readAllBytes(log));
                }
            }
        });
    }

    /** Gives another run these kept checkpoints, as far as they are there: by links, which share what is destroyed. */
    public static void link(Path from, Path to, List<Long> steps) {
        Io.disk(to + ": keeping checkpoints to replay from", () -> {
            for (long step : steps) {
                Path source = TrainCheckpoint.kept(from, step);
                if (TrainCheckpoint.isKept(from, step)) {
                    PrivateFiles.makeFolder(to.resolve(FOLDER));
                    PrivateFiles.folder(TrainCheckpoint.kept(to, step), fresh -> link(source, fresh));
                }
            }
        });
    }

    private static void link(Path from, Path to) throws IOException {
        for (Path file : Io.list(from)) {
            Path copy = to.resolve(file.getFileName());
            try {
                Files.createLink(copy, file);
            } catch (IOException | UnsupportedOperationException e) { // another file system, or one without links
                PrivateFiles.write(copy, out -> {
                    try (InputStream in = Files.newInputStream(file)) {
                        in.transferTo(out);
                    }
                });
            }
        }
    }

    /**
     * Of a plan's kept checkpoints those that have seen nothing which is masked now, and those whose folder is gone, so that
     * they are missed.
     *
     * @param root where the checkpoints lie
     * @param info with the plan as it is now
     * @param rows the run's as they are now
     */
    public static List<Long> clean(Path root, RunInfo info, List<RunRecord> rows) {
        return info.plan().kept().stream().filter(step -> !Files.isDirectory(TrainCheckpoint.kept(root, step))
                || TrainCheckpoint.isKept(root, step)
                && hash(info, rows, step).equals(TrainCheckpoint.plan(root, step))).toList();
    }

    /**
     * Destroys the kept checkpoints of a run that have seen what is masked now. Safe to repeat; the caller holds the run's lock.
     *
     * @return how many
     */
    public static int scrub(RunFolder run) {
        if (!Files.isDirectory(run.root().resolve(FOLDER))) {
            return 0;
        }
        RunInfo.Plan plan = run.info().plan(); // without one nobody knows what they have seen
        List<Long> clean = plan == null ? List.of() : clean(run.root(), run.info(), run.records());
        if (plan != null && !clean.equals(plan.kept())) {
            run.save(run.info().withPlan(plan.withKept(clean)));
        }
        Set<Path> stay = clean.stream().map(step -> TrainCheckpoint.kept(run.root(), step)).collect(Collectors.toSet());
        int destroyed = Io.disk(run + ": destroying checkpoints", () -> {
            List<Path> gone = Io.list(run.root().resolve(FOLDER)).stream().filter(folder -> !stay.contains(folder)).toList();
            for (Path folder : gone) {
                PrivateFiles.deleteTree(folder);
            }
            return gone.size();
        });
        return destroyed;
    }

    /** Whether the kept checkpoint in this folder has seen one of these records, as far as the run knows them still. */
    public static boolean hasSeen(RunFolder run, Path checkpoint, Set<String> ids) {
        if (run.info().plan() == null || !run.info().plan().fits(run.records())) {
            return true;
        }
        BitSet places = run.info().plan().places(run.records(), ids);
        long step = Long.parseLong(checkpoint.getFileName().toString().replaceAll("\\D", ""));
        return new TrainOrder(run.info().config(), run.info().plan()).first(places) < step;
    }
}
