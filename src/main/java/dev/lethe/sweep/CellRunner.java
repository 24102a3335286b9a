/*
 * Carries one cell out and measures it: the trained model as it is, the model trained without, or an erasure in memory. An
 * erasure that is refused or breaks down is a result too, with a note and whatever could be measured.
 */
package dev.lethe.sweep;

import dev.lethe.base.BadInputException;
import dev.lethe.base.EngineException;
import dev.lethe.base.EngineException.Status;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.base.Reason;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.erase.OpenRun;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.Query;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.Tokenizer;
import dev.lethe.results.EraseListener;
import dev.lethe.results.EraseStep;
import dev.lethe.results.Erasure.Trial;
import dev.lethe.results.InfluenceChange;
import dev.lethe.results.InfluenceChange.Series;
import dev.lethe.results.Losses;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Keep;
import dev.lethe.settings.Reference;
import dev.lethe.settings.Strategy;
import dev.lethe.shape.Dtype;
import dev.lethe.spec.Cell;
import dev.lethe.spec.CellResult;
import dev.lethe.spec.CellResult.CurvePoint;
import dev.lethe.spec.Cells;
import dev.lethe.spec.Spec;
import dev.lethe.spec.Spec.Metrics;
import dev.lethe.sweep.Costs.PeakMemory;
import dev.lethe.sweep.Measurement.Numbers;
import dev.lethe.sweep.Plan.Entry;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.DoubleSupplier;

final class CellRunner {
    /** What the next cell would meet too, or the person who stops the study wants. */
    private static final Set<Status> ENDS_ALL = EnumSet.of(Status.OUT_OF_MEMORY, Status.CANCELLED);

    private final Engine engine;
    private final Spec spec;
    private final StudyData data;
    private final Trainings trainings;
    private final Sweep.SweepContext context;

    CellRunner(Sweep.SweepContext context) {
        this.engine = context.engine();
        this.spec = context.spec();
        this.data = context.data();
        this.trainings = context.trainings();
        this.context = context;
    }

    CellResult run(Entry entry) {
        return entry.isReference() ? reference(entry) : erased(entry);
    }

    /** A model retrained without the forget set with another seed, measured only as far as KLoM and U-LiRA need it. */
    CellResult oracle(String id, Cell cell) {
        RunFolder run = trainings.retrained(cell.seed(), cell.head(), cell.forget());
        Numbers numbers = new Numbers();
        try (Tokenizer tokenizer = Tokenizer.of(run.model()); LanguageModel model = Checkpoint.load(engine, run.model(), Dtype.F32)) {
            measure(cell, tokenizer).losses(model, numbers);
        }
        trainings.drop(run);
        return new CellResult(id, cell, "oracle", numbers.metrics, List.of(), numbers.distributions, true, "");
    }

    private Measurement measure(Cell cell, Tokenizer tokenizer) {
        return new Measurement(spec, data, tokenizer, data.forget().get(cell.forget()));
    }

    private CellResult reference(Entry entry) {
        Cell cell = entry.cell();
        boolean retrained = cell.strategy().equals(Cells.RETRAIN);
        PeakMemory.reset();
        RunFolder run = retrained ? trainings.retrained(cell.seed(), cell.head(), cell.forget())
                : cell.strategy().equals(Cells.BASE) ? trainings.base(cell.head())
                : trainings.original(cell.seed(), cell.head(), context.capture(cell.head(), null));
        Numbers numbers = new Numbers();
        numbers.put("cost.steps", retrained ? run.info().result().steps() : 0);
        numbers.put("cost.share", retrained ? 1 : 0);
        numbers.put("cost.seconds", retrained ? Costs.trainingSeconds(run) : 0);
        numbers.put("cost.peak_bytes", PeakMemory.bytes());
        try (Tokenizer tokenizer = Tokenizer.of(run.model()); LanguageModel model = Checkpoint.load(engine, run.model(), Dtype.F32)) {
            measure(cell, tokenizer).all(model, numbers);
            distance(cell, model, numbers);
        }
        return new CellResult(entry.id(), cell, entry.draft().variant(), numbers.metrics, List.of(), numbers.distributions,
                true, "");
    }

    private CellResult erased(Entry entry) {
        Numbers numbers = new Numbers();
        Curve curve = new Curve(context.listener().erasing(),
                spec.measure().metrics().contains(Metrics.INFLUENCE_CURVE.label()));
        try {
            return result(entry, numbers, curve, erase(entry, numbers, curve));
        } catch (InterruptedWorkException e) {
            throw e;
        } catch (RuntimeException e) {
            if (e instanceof EngineException failure && ENDS_ALL.contains(failure.status())) {
                throw e;
            }
            return result(entry, numbers, curve, List.of(e instanceof BadInputException || e instanceof IllegalArgumentException
                    || e instanceof EngineException ? Reason.of(e) : e.toString()));
        }
    }

    private static CellResult result(Entry entry, Numbers numbers, Curve curve, List<String> broken) {
        return new CellResult(entry.id(), entry.cell(), entry.draft().variant(), numbers.metrics, curve.points(),
                numbers.distributions, broken.isEmpty(), String.join("; ", broken));
    }

    /** Erases and measures; what is held against the result. */
    private List<String> erase(Entry entry, Numbers numbers, Curve curve) {
        Cell cell = entry.cell();
        Cell.Adoption adoption = Cell.Adoption.of(cell.epochs());
        RunFolder trained = trainings.original(cell.seed(), cell.head(), context.capture(cell.head(), entry.draft().config()));
        RunFolder source = adoption == null ? trained
                : trainings.adopted(cell.seed(), cell.head(), trained.model(), adoption.replayed(), cell.sites());
        EraseConfig config = config(entry);
        PeakMemory.reset();
        curve.begin();
        try (OpenRun run = OpenRun.open(engine, source.root(), data.learned()); Tokenizer tokenizer = Tokenizer.of(source.model())) {
            Measurement measure = measure(cell, tokenizer);
            Trial trial = config.iterative() == null
                    ? run.trial(found(run, cell, numbers), config, curve, model -> measured(cell, model, measure, numbers, curve))
                    : run.trialUnmatched(records(cell), config, curve, model -> measured(cell, model, measure, numbers, curve));
            Costs.put(numbers, trial.ascents(), trial.repairs(), trial.trainSteps());
            Costs.ledger(numbers, engine, source, config);
            influence(trial.influence(), numbers);
            return StandardGuards.broken(trial.broken(), trial.before(), trial.after());
        }
    }

    /** With what lies in folders of this study. */
    private EraseConfig config(Entry entry) {
        Cell cell = entry.cell();
        EraseConfig.Builder config = entry.draft().config().toBuilder();
        if (entry.draft().toRetrained()) {
            config.reference(new Reference.Retrained(trainings.retrained(cell.seed(), cell.head(), cell.forget()).root()));
        }
        if (entry.draft().config().strategy() == Strategy.ALTPO) {
            config.alternates(data.wrongAnswers());
        }
        Cells.Keeping keep = entry.draft().keep();
        return keep == null ? config.build() : config.keep(new Keep(data.keep(keep.records()), keep.guard())).build();
    }

    /** The forget set as a request that matches nothing has it. */
    private List<TextRecord> records(Cell cell) {
        return data.learned().filter(record -> data.forget().get(cell.forget()).contains(record.id())).records();
    }

    private void measured(Cell cell, LanguageModel model, Measurement measure, Numbers numbers, Curve curve) {
        numbers.put("cost.seconds", curve.seconds());
        numbers.put("cost.peak_bytes", PeakMemory.bytes());
        distance(cell, model, numbers);
        measure.all(model, numbers);
    }

    /** What the erasure is told to erase: the forget set, or what is like its records. */
    private ForgetSet found(OpenRun run, Cell cell, Numbers numbers) {
        Set<String> meant = data.forget().get(cell.forget());
        if (cell.matching().equals("ids")) {
            return run.find(Query.ids(meant));
        }
        int threshold = Integer.parseInt(cell.matching().substring("fuzzy:".length()));
        Set<String> ids = new LinkedHashSet<>();
        records(cell).forEach(record -> ids.addAll(run.find(Query.fuzzy(record.text(), threshold)).ids()));
        long right = ids.stream().filter(meant::contains).count();
        numbers.put("matching.precision", ids.isEmpty() ? Double.NaN : (double) right / ids.size());
        numbers.put("matching.recall", (double) right / meant.size());
        return run.find(Query.ids(ids));
    }

    /** How far the weights are from those of the model retrained with the same seed, and as a share of their own norm. */
    private void distance(Cell cell, LanguageModel model, Numbers numbers) {
        if (!spec.measure().metrics().contains(Metrics.DISTANCE.label())) {
            return;
        }
        RunFolder retrained = trainings.retrained(cell.seed(), cell.head(), cell.forget());
        try (LanguageModel other = Checkpoint.load(engine, retrained.model(), Dtype.F32);
                ParameterVector mine = model.buffer(Buffer.PARAMETERS).copy()) {
            ParameterVector theirs = other.buffer(Buffer.PARAMETERS);
            double norm = theirs.norm();
            mine.axpy(-1, theirs);
            numbers.put("distance.retrained", mine.norm());
            numbers.put("distance.relative", mine.norm() / norm);
        }
    }

    private void influence(InfluenceChange change, Numbers numbers) {
        if (!spec.measure().metrics().contains(Metrics.INFLUENCE.label())) {
            return;
        }
        Influences.put(change.dot(), "influence", numbers);
        Influences.put(change.cosine(), "influence_cosine", numbers);
        Influences.put(change.actGrad(), "influence_act_grad", numbers);
    }

    /** Influence before and after an erasure, one value a record: site by site, and summed over the sites. */
    static final class Influences {
        private Influences() { }

        /** {@code NAME.before}, {@code NAME.after}, the same with {@code /SITE} and with {@code .retain} for the retain sample. */
        static void put(List<Series> all, String name, Numbers numbers) {
            for (String group : List.of("forget", "retain")) {
                List<Series> chosen = all.stream().filter(series -> series.group().equals(group)).toList();
                if (chosen.isEmpty()) {
                    continue;
                }
                String prefix = group.equals("forget") ? name : name + "." + group;
                double[] before = new double[chosen.getFirst().before().length];
                double[] after = new double[before.length];
                for (Series series : chosen) {
                    numbers.distributions.put(prefix + ".before/" + series.site(), series.before());
                    numbers.distributions.put(prefix + ".after/" + series.site(), series.after());
                    for (int i = 0; i < before.length; i++) {
                        before[i] += series.before()[i];
                        after[i] += series.after()[i];
                    }
                }
                numbers.distributions.put(prefix + ".before", before);
                numbers.distributions.put(prefix + ".after", after);
                numbers.put(prefix + ".before_mean", magnitude(before));
                numbers.put(prefix + ".after_mean", magnitude(after));
            }
        }

        private static double magnitude(double[] values) {
            double sum = 0;
            for (double value : values) {
                sum += Math.abs(value);
            }
            return sum / values.length;
        }
    }

    /** Whether the guards that {@code lethe erase} has by default would have let a result pass, however wide the cell's own were. */
    static final class StandardGuards {
        private static final EraseConfig USUAL = EraseConfig.defaults();

        private StandardGuards() { }

        static List<String> broken(List<String> own, Losses before, Losses after) {
            List<String> broken = new ArrayList<>(own);
            if (after.retain() > before.retain() + USUAL.retainGuard()
                    && own.stream().noneMatch(sentence -> sentence.startsWith("the retain loss"))) {
                broken.add(String.format(Locale.ROOT, "the retain loss rose from %.3f to %.3f, the usual guard allows %.3f more",
                        before.retain(), after.retain(), USUAL.retainGuard()));
            }
            if (after.heldOut() > before.heldOut() * (1 + USUAL.heldOutGuard())
                    && own.stream().noneMatch(sentence -> sentence.startsWith("the held-out loss"))) {
                broken.add(String.format(Locale.ROOT, "the held-out loss rose from %.3f to %.3f, the usual guard allows %.1f %%",
                        before.heldOut(), after.heldOut(), 100 * USUAL.heldOutGuard()));
            }
            return List.copyOf(new LinkedHashSet<>(broken));
        }
    }

    /** Keeps the moves of an erasure that were not taken back, and the time to the last; passes everything on. */
    private static final class Curve implements EraseListener {
        private final EraseListener next;
        private final boolean influence;
        private final List<CurvePoint> points = new ArrayList<>();
        private long start = System.nanoTime();
        private long last = start;
        private long asking;

        /** @param influence whether it is asked for at the start and after each ascent step, which takes no time here */
        Curve(EraseListener next, boolean influence) {
            this.next = next;
            this.influence = influence;
        }

        void begin() {
            start = System.nanoTime();
            last = start;
            asking = 0;
        }

        @Override
        public void stage(String name) {
            next.stage(name);
        }

        @Override
        public void step(EraseStep step, double target, DoubleSupplier asked) {
            last = System.nanoTime() - asking;
            if (!step.rolledBack()) {
                String action = switch (step.action()) {
                    case OBSERVE -> points.isEmpty() ? "start" : "end";
                    case ASCEND -> "ascent";
                    default -> step.action().name().toLowerCase(Locale.ROOT).replace('_', ' ');
                };
                boolean moved = points.isEmpty() || step.action() != EraseStep.Action.REPAIR;
                points.add(new CurvePoint(points.size(), action, step.forget(), step.retain(), step.heldOut(),
                        influence && moved ? asked.getAsDouble() : Double.NaN));
            }
            asking += System.nanoTime() - asking - last;
            next.step(step, target);
        }

        /** From the beginning to the last move. */
        double seconds() {
            return (last - start) * 1e-9;
        }

        List<CurvePoint> points() {
            return List.copyOf(points);
        }
    }
}
