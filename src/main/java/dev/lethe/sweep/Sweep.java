/*
 * A sweep from its spec to its tables: every cell that is not there yet is carried out and kept, then the results of all
 * are written. Killed at any time it goes on where it was: finished cells and trainings are taken as they are.
 */
package dev.lethe.sweep;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.Work;
import dev.lethe.page.StudyPage;
import dev.lethe.results.EraseListener;
import dev.lethe.results.TrainListener;
import dev.lethe.settings.EraseConfig;
import dev.lethe.spec.Cell;
import dev.lethe.spec.CellResult;
import dev.lethe.spec.Cells;
import dev.lethe.spec.Spec;
import dev.lethe.spec.Spec.DataFiles;
import dev.lethe.spec.Spec.Metrics;
import dev.lethe.spec.SpecReader;
import dev.lethe.sweep.BaseStage.BaseText;
import dev.lethe.sweep.Plan.ContentId;
import dev.lethe.sweep.Plan.Entry;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/** Runs studies. Belongs to one thread; an interrupt ends it with what is measured so far on disk. */
public final class Sweep {
    /** Seeds of retrained models that serve only as oracles. */
    private static final long ORACLE_SEED = 1_000_000;

    private final Engine engine;
    private final Spec spec;
    private final Options options;
    private final StudyListener listener;
    private final StudyData data;
    private final Trainings trainings;
    private final Plan plan;
    private final StudyFiles files;

    /**
     * @param out     the study's folder, new or begun
     * @param dataDir where data files are looked for first; null = only beside the spec
     * @param only    a glob over variants or FORGET/VARIANT; null = every cell
     * @param seeds   a part of the spec's; null = all
     * @param bases   folder of the models that studies begin with, which several may share; null = base in the study's
     */
    public record Options(Path out, Path dataDir, String only, Set<Long> seeds, Path bases) {
        public Options(Path out, Path dataDir, String only, Set<Long> seeds) {
            this(out, dataDir, only, seeds, null);
        }
    }

    /**
     * What the models of a head begin with.
     *
     * @param run         its run
     * @param heldOutLoss mean over the held-out text, nats a token
     * @param modelHash   as a run's
     */
    public record Base(String head, Path run, long parameters, long steps, double heldOutLoss, String modelHash) { }

    /** What is done, and what would be. */
    public record Summary(Spec spec, List<CellResult> results, int cells) { }

    private Sweep(Engine engine, Path file, Options options, StudyListener listener, boolean dry) {
        DataFiles found = DataFiles.of(file, options.dataDir);
        this.engine = engine;
        this.spec = SpecReader.read(file, found);
        this.options = options;
        this.listener = listener;
        requireSeeds();
        this.data = StudyData.load(spec, found, options.out);
        BaseStage base = spec.base() == null ? null : stage(engine, spec, found, data.baseText(), options, listener);
        if (base != null && !dry) {
            base.make().forEach(made -> listener.remark(String.format(Locale.ROOT, "base %s: %,d parameters, %,d steps, held-out text"
                    + " %.3f nats", made.head, made.parameters, made.steps, made.heldOutLoss)));
        }
        this.trainings = new Trainings(engine, spec, data, found, base, options.out, listener);
        this.plan = Plan.of(spec, data, trainings).part(options.only, options.seeds);
        this.files = new StudyFiles(options.out);
    }

    /**
     * Does what is missing of a study and writes its tables.
     *
     * @throws BadInputException listing everything that is wrong with the spec
     */
    public static Summary run(Engine engine, Path spec, Options options, StudyListener listener) {
        return Work.run("study", () -> new Sweep(engine, spec, options, listener, false).run());
    }

    /**
     * Makes only what the models of a study begin with, one a head; needs none of the study's own data.
     *
     * @throws BadInputException when the spec has no base, its text is not there, or another base is in its place
     */
    public static List<Base> makeBases(Engine engine, Path spec, Options options, StudyListener listener) {
        DataFiles found = DataFiles.of(spec, options.dataDir);
        Spec read = SpecReader.read(spec);
        if (read.base() == null) {
            throw new BadInputException(spec + ": has no base");
        }
        return Work.run("base", () -> stage(engine, read, found, BaseText.load(read, found), options, listener).make());
    }

    private static BaseStage stage(Engine engine, Spec spec, DataFiles files, BaseText text, Options options, StudyListener listener) {
        return new BaseStage(engine, spec, files, text, options.bases != null ? options.bases : options.out.resolve("base"), listener);
    }

    /** The cells a study has, in order, and which are measured; trains and measures nothing. */
    public static List<CellResult> dryRun(Engine engine, Path spec, Options options) {
        Sweep study = new Sweep(engine, spec, options, StudyListener.SILENT, true);
        return study.plan.entries().stream().map(entry -> {
            CellResult there = study.files.cell(entry.id());
            return there != null ? there : new CellResult(entry.id(), entry.cell(), entry.draft().variant(), Map.of(),
                    List.of(), Map.of(), false, "not measured yet");
        }).toList();
    }

    private void requireSeeds() {
        for (long seed : options.seeds == null ? Set.<Long>of() : options.seeds) {
            if (!spec.seeds().contains(seed)) {
                throw new BadInputException("seeds " + seed + ": the spec has " + spec.seeds(), List.of("seeds"), null);
            }
        }
    }

    private Summary run() {
        files.writeOrder(spec, plan);
        warn();
        SweepContext context = new SweepContext(engine, spec, data, trainings, plan, listener);
        CellRunner runner = new CellRunner(context);
        List<CellResult> results = new ArrayList<>();
        int done = (int) plan.entries().stream().filter(entry -> files.cell(entry.id()) != null).count();
        listener.started(plan.entries().size(), done);
        for (Entry entry : plan.entries()) {
            CellResult result = files.cell(entry.id());
            if (result == null) {
                listener.cell(results.size() + 1, plan.entries().size(), entry.cell(), entry.draft().variant());
                result = runner.run(entry);
                files.writeCell(result);
                listener.measured(result);
            }
            results.add(result);
        }
        List<CellResult> oracles = oracles(runner);
        List<CellResult> compared = new ArrayList<>(Comparison.of(results, oracles, asksOracles()));
        compared.addAll(new Sequence(context, options, files).run());
        files.writeResults(compared);
        StudyPage.write(options.out, spec.name(), compared);
        return new Summary(spec, compared, plan.entries().size());
    }

    private boolean asksOracles() {
        return spec.oracles() > 0 && spec.measure().metrics().contains(Metrics.ORACLES.label());
    }

    private void warn() {
        if (asksOracles() && spec.oracles() < Spec.ORACLES_NEEDED) {
            double shift = 2.4865 * Math.sqrt(1.0 / spec.seeds().size() + 1.0 / spec.oracles());
            listener.remark(String.format(Locale.ROOT, "%d oracles are fewer than the %d that KLoM and U-LiRA need: with %d seeds,"
                    + " a shift of a record's margin below %.1f standard deviations goes unseen in more than one case of five",
                    spec.oracles(), Spec.ORACLES_NEEDED, spec.seeds().size(), shift));
        }
    }

    /**
     * Enough further retrained models that every cell has so many of other seeds than its own. A part of a study trains none
     * and takes those that are there.
     */
    private List<CellResult> oracles(CellRunner runner) {
        List<CellResult> oracles = new ArrayList<>();
        if (!asksOracles()) {
            return oracles;
        }
        List<Cell> references = plan.entries().stream().filter(Entry::isReference).map(Entry::cell)
                .filter(cell -> cell.strategy().equals(Cells.RETRAIN)).toList();
        for (String head : spec.heads()) {
            for (String forget : spec.forget().keySet()) {
                boolean asked = references.stream().anyMatch(cell -> cell.head().equals(head) && cell.forget().equals(forget));
                for (int k = 0; asked && k < spec.oracles() + 1 - spec.seeds().size(); k++) {
                    oracles.add(oracle(runner, new Cell(ORACLE_SEED + k, head, forget, Cells.RETRAIN, "", "", "", "",
                            "", 0, "")));
                }
            }
        }
        oracles.removeIf(Objects::isNull);
        return oracles;
    }

    /** Null when it is not there and only a part of the study is done. */
    private CellResult oracle(CellRunner runner, Cell cell) {
        String id = ContentId.id("oracle", cell, trainings.settings(cell.head(), cell.seed(), Captures.NONE), data.hash(),
                data.forget().get(cell.forget()), spec.measure());
        CellResult there = files.oracle(id);
        boolean whole = options.only == null && options.seeds == null;
        if (there == null && whole) {
            there = runner.oracle(id, cell);
            files.writeOracle(there);
        }
        return there;
    }

    /**
     * What everything that carries out a part of a study works with.
     *
     * @param plan the cells, and what the original models must leave in their ledgers
     */
    record SweepContext(Engine engine, Spec spec, StudyData data, Trainings trainings, Plan plan, StudyListener listener) {
        /** The capture of the training that serves an erasure with this head; null: of whichever training is made anyway. */
        Captures.Plan capture(String head, EraseConfig config) {
            return plan.captures().get(head).of(config);
        }
    }

    /** Watches a study. Called on the studying thread; every method does nothing unless overridden. */
    public interface StudyListener {
        /** Hears nothing. */
        StudyListener SILENT = new StudyListener() { };

        /** The study is about to do this many cells, of which so many are there already. */
        default void started(int cells, int done) { }

        /** A cell is begun: its number from 1. */
        default void cell(int number, int cells, Cell cell, String variant) { }

        /** A cell was measured. */
        default void measured(CellResult result) { }

        /** Something a reader should know. */
        default void remark(String text) { }

        /** Watches a training of this name. */
        default TrainListener training(String name) {
            return TrainListener.silent();
        }

        /** Watches an erasure. */
        default EraseListener erasing() {
            return EraseListener.NONE;
        }
    }
}
