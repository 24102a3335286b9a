/*
 * Sequential erasure: requests carried out one after the other, each on the run that the one before left, with the losses
 * of all that was forgotten so far, of what is kept and of what was never seen after each. Then the last model is trained
 * further, on what is kept and on a part of the first request that has crept back, and the first erasure is done once more
 * along the same stored gradients. Goes on after a kill behind the last whole request.
 */
package dev.lethe.sweep;

import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.AdamW;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.erase.OpenRun;
import dev.lethe.eval.Evaluator;
import dev.lethe.find.Query;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.Tokenizer;
import dev.lethe.objective.RunExamples;
import dev.lethe.results.Erasure;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunJson;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Schedule;
import dev.lethe.shape.Dtype;
import dev.lethe.spec.Cell;
import dev.lethe.spec.CellResult;
import dev.lethe.spec.Cells;
import dev.lethe.spec.Spec;
import dev.lethe.sweep.Measurement.Numbers;
import dev.lethe.text.Example;
import dev.lethe.train.FineTune;
import dev.lethe.train.Replay;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

final class Sequence {
    /** Learning rate of the further training, as a share of the training's peak. */
    private static final double FURTHER_RATE = 0.1;

    private final Engine engine;
    private final Spec spec;
    private final StudyData data;
    private final Sweep.SweepContext context;
    private final Sweep.Options options;
    private final StudyFiles files;

    Sequence(Sweep.SweepContext context, Sweep.Options options, StudyFiles files) {
        this.engine = context.engine();
        this.spec = context.spec();
        this.data = context.data();
        this.context = context;
        this.options = options;
        this.files = files;
    }

    /** What was measured after each request so far, and what the requests cost. */
    record Progress(int done, Map<String, List<Double>> series, int steps, List<String> notes) { }

    /** One result a seed; none when the spec asks for no sequence or only for other cells. */
    List<CellResult> run() {
        List<CellResult> results = new ArrayList<>();
        if (spec.sequential() == null || options.only() != null && !options.only().startsWith("sequential")) {
            return results;
        }
        for (long seed : spec.sequential().seeds() == null ? spec.seeds() : spec.sequential().seeds()) {
            if (options.seeds() == null || options.seeds().contains(seed)) {
                results.add(of(seed));
            }
        }
        return results;
    }

    /** How each request is erased. */
    static EraseConfig config(Spec spec, long seed) {
        return Cells.config("$.sequential", spec.sequential().strategy(), new Cells.Axes(null, null, null, null, null, null),
                spec.sequential().erase(), new ArrayList<>()).erase().toBuilder().seed(seed).build();
    }

    /** What the models before the first request depend on, and what is measured of their base. */
    private Object begin(long seed) {
        Object settings = context.trainings().settings(Spec.Sequential.HEAD, seed, Captures.NONE);
        return data.baseText() == null ? settings : List.of(settings, data.baseText().identity());
    }

    private CellResult of(long seed) {
        EraseConfig config = config(spec, seed);
        Cell cell = new Cell(seed, Spec.Sequential.HEAD, "sequential", config.strategy().label(), config.sites(),
                config.strategy().usesLedger() ? config.storedEpochs().toString() : "", "ids", "calibrated",
                config.contrast().toString(), config.repair(), Cells.text(spec.sequential().erase()));
        String id = Plan.ContentId.id("sequential", cell, config, begin(seed), data.hash(),
                spec.sequential(), spec.measure());
        CellResult there = files.cell(id);
        if (there != null) {
            return there;
        }
        context.listener().cell(1, 1, cell, "sequential");
        Path folder = options.out().resolve("runs").resolve("sequential-" + id);
        return Io.disk(folder, () -> {
            PrivateFiles.makeFolder(folder);
            CellResult result = requests(id, cell, config, folder);
            files.writeCell(result);
            PrivateFiles.deleteTree(folder);
            context.listener().measured(result);
            return result;
        });
    }

    private CellResult requests(String id, Cell cell, EraseConfig config, Path folder) throws IOException {
        RunFolder original = context.trainings().original(cell.seed(), Spec.Sequential.HEAD,
                context.capture(Spec.Sequential.HEAD, config));
        Path state = folder.resolve("progress.json");
        List<String> requests = spec.sequential().requests();
        Progress progress = Files.exists(state) ? RunJson.read(Files.readString(state), Progress.class, state.toString())
                : measured(new Progress(0, new LinkedHashMap<>(), 0, new ArrayList<>()), original);
        for (int next = progress.done(); next < requests.size(); next++) {
            RunFolder from = next == 0 ? original : RunFolder.open(folder.resolve("after-" + next));
            Path to = folder.resolve("after-" + (next + 1));
            PrivateFiles.deleteTree(to);
            Erasure erasure;
            try (OpenRun run = OpenRun.open(engine, from.root(), data.learned())) {
                erasure = run.erase(run.find(Query.ids(forgotten(requests.subList(next, next + 1)))), config, to,
                        context.listener().erasing());
            }
            List<String> notes = new ArrayList<>(progress.notes());
            String request = requests.get(next);
            erasure.broken().forEach(sentence -> notes.add(request + ": " + sentence));
            progress = measured(new Progress(next + 1, progress.series(),
                    progress.steps() + erasure.ascents() + erasure.repairs(), notes), RunFolder.open(to));
            StudyFiles.write(state, RunJson.line(progress));
            if (next > 0) {
                PrivateFiles.deleteTree(from.root());
            }
        }
        return result(id, cell, config, original, folder, progress);
    }

    private CellResult result(String id, Cell cell, EraseConfig config, RunFolder original, Path folder, Progress progress)
            throws IOException {
        Numbers numbers = new Numbers();
        progress.series().forEach((name, values) -> {
            numbers.distributions.put("sequential." + name, values.stream().mapToDouble(Double::doubleValue).toArray());
            numbers.put("sequential." + name + ".last", values.getLast());
        });
        numbers.put("cost.steps", progress.steps());
        numbers.put("cost.share", (double) progress.steps() / original.info().result().steps());
        if (spec.sequential().fineTune() > 0) {
            RunFolder last = RunFolder.open(folder.resolve("after-" + spec.sequential().requests().size()));
            again(cell, config, original, last, folder.resolve("further"), numbers);
        }
        return new CellResult(id, cell, "sequential", numbers.metrics, List.of(), numbers.distributions,
                progress.notes().isEmpty(), String.join("; ", progress.notes()));
    }

    /** Trains the last model further, so that the first request creeps back, and erases it once more. */
    private void again(Cell cell, EraseConfig config, RunFolder original, RunFolder last, Path folder, Numbers numbers)
            throws IOException {
        String first = spec.sequential().requests().getFirst();
        Set<String> gone = forgotten(spec.sequential().requests());
        PrivateFiles.deleteTree(folder);
        PrivateFiles.makeFolder(folder);
        try (Tokenizer tokenizer = Tokenizer.of(last.model()); LanguageModel model = Checkpoint.load(engine, last.model(), Dtype.F32)) {
            List<Example> back = RunExamples.encode(tokenizer, model.shape(),
                    data.learned().filter(record -> forgotten(List.of(first)).contains(record.id())).records());
            int shown = Math.clamp((int) Math.ceil(spec.relearn().share() * back.size()), 1, back.size());
            List<Example> mixed = new ArrayList<>(back.subList(0, shown));
            mixed.addAll(RunExamples.encode(tokenizer, model.shape(),
                    data.learned().filter(record -> !gone.contains(record.id())).records()));
            numbers.put("again.forget.loss.erased", loss(model, back));
            AdamW optimizer = FineTune.optimizer(original.info().config())
                    .withLearningRate(FURTHER_RATE * spec.training().config().learningRate());
            new FineTune(model, mixed, new FineTune.Options(spec.training().config().batchSize(), optimizer, null, cell.seed()))
                    .run(spec.sequential().fineTune(), Schedule.CONSTANT);
            numbers.put("again.forget.loss.trained_further", loss(model, back));
            Checkpoint.save(model, Checkpoint.config(last.model()), folder.resolve("model"), last.model());
            RunInfo info = original.info();
            RunFolder.describe(folder, info.withResult(info.result().withModel(Trainer.modelHash(model),
                    Checkpoint.settingsHash(folder.resolve("model")))), original.records());
            if (original.hasLedger()) {
                GradientLedger.link(original.ledger(), folder.resolve("ledger"));
            }
            if (info.plan() != null) {
                Replay.link(original.root(), folder, info.plan().kept());
            }
            try (OpenRun run = OpenRun.open(engine, folder, data.learned())) {
                Erasure.Trial trial = run.trial(run.find(Query.ids(forgotten(List.of(first)))), config,
                        context.listener().erasing(), moved ->
                        numbers.put("again.forget.loss.erased_again", loss(moved, back)));
                numbers.put("again.retain.loss", trial.after().retain());
                numbers.put("again.heldout.loss", trial.after().heldOut());
                numbers.put("again.steps", trial.ascents() + trial.repairs());
            }
        }
    }

    /** Ids of the records that requests mean. */
    private Set<String> forgotten(List<String> requests) {
        return data.learned().records().stream().filter(record -> requests.contains(record.subject())
                || requests.contains(record.id())).map(TextRecord::id).collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /** Adds a value to each series: what all requests up to now left of their records, and of everything else. */
    private Progress measured(Progress progress, RunFolder run) {
        List<String> requests = spec.sequential().requests();
        Set<String> gone = forgotten(requests.subList(0, Math.max(1, progress.done()))); // before the first: what it will forget
        Numbers numbers = new Numbers();
        try (Tokenizer tokenizer = Tokenizer.of(run.model()); LanguageModel model = Checkpoint.load(engine, run.model(), Dtype.F32)) {
            new Measurement(spec, data, tokenizer, gone).sequence(model, numbers);
        }
        Map<String, List<Double>> series = new LinkedHashMap<>();
        numbers.metrics.forEach((name, value) -> {
            List<Double> values = new ArrayList<>(progress.series().getOrDefault(name, List.of()));
            values.add(value);
            series.put(name, values);
        });
        return new Progress(progress.done(), series, progress.steps(), progress.notes());
    }

    private static double loss(LanguageModel model, List<Example> examples) {
        return new Evaluator().evaluate(model, examples).meanLoss();
    }
}
