/*
 * The whole pipeline through the public API: train with first-epoch embedding capture, erase by the paper's calibrated
 * ascent, evaluate. Variant all times each stage; variant erase trains once and times one erase request on a fresh copy of
 * the run. Peer: bench/python/pipeline.py.
 */
package dev.lethe.bench;

import dev.lethe.data.Dataset;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.erase.OpenRun;
import dev.lethe.eval.Evaluator;
import dev.lethe.find.Query;
import dev.lethe.model.Checkpoint;
import dev.lethe.results.EraseListener;
import dev.lethe.results.Erasure;
import dev.lethe.results.TrainListener;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Dtype;
import dev.lethe.text.Example;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

final class PipelineCase implements Case {
    private final Engine engine;
    private final JsonNode args;
    private final Path initial;
    private final List<Example> examples;
    private final boolean eraseOnly;
    private final Path trained;
    private final Path copy;
    private final Path erased;
    private Erasure erasure;

    /** @param setup args: data, heldOut (JSONL files), subject, epochs, batch, rate, topk */
    PipelineCase(Setup setup) {
        engine = setup.engine();
        args = setup.args();
        initial = setup.model();
        examples = Examples.read(setup.examples());
        eraseOnly = setup.variant().equals("erase");
        Path folder = setup.work().resolve("run-" + setup.variant());
        trained = folder.resolve("trained");
        copy = eraseOnly ? folder.resolve("copy") : trained;
        erased = folder.resolve("erased");
        LedgerSink.deleteTree(folder);
        if (eraseOnly) {
            train();
        }
    }

    @Override
    public void before() {
        LedgerSink.deleteTree(erased);
        LedgerSink.deleteTree(copy);
        if (eraseOnly) {
            copyTree(trained, copy);
        }
    }

    @Override
    public Map<String, Long> run() {
        Map<String, Long> parts = new LinkedHashMap<>();
        if (!eraseOnly) {
            time(parts, "train", this::train);
        }
        time(parts, "erase", this::erase);
        if (!eraseOnly) {
            time(parts, "evaluate", this::evaluate);
        }
        return parts;
    }

    private static void time(Map<String, Long> parts, String name, Runnable stage) {
        long start = System.nanoTime();
        stage.run();
        parts.put(name, System.nanoTime() - start);
    }

    private void train() {
        TrainConfig config = TrainConfig.builder().capture(TrainConfig.CapturePolicy.FIRST) // as the paper has it
                .epochs(args.get("epochs").asInt()).batchSize(args.get("batch").asInt())
                .learningRate(args.get("rate").asDouble()).headTopK(args.get("topk").asInt())
                .holdoutData(Path.of(args.get("heldOut").asString())).build();
        Trainer.train(engine, ModelSource.checkpoint(initial), Dataset.read(Path.of(args.get("data").asString())), trained,
                config, TrainListener.silent());
    }

    private void erase() {
        EraseConfig config = EraseConfig.paper().toBuilder().relearnSteps(0).build();
        try (OpenRun run = OpenRun.open(engine, copy)) {
            erasure = run.erase(run.find(Query.subject(args.get("subject").asString())), config, erased, EraseListener.NONE);
        }
    }

    private void evaluate() {
        try (LanguageModel model = Checkpoint.load(engine, erased.resolve("model"), Dtype.F32)) {
            new Evaluator().evaluate(model, examples);
        }
    }

    @Override
    public void result(Results out) {
        before();
        run();
        out.add("forget", erasure.after().forget());
        out.add("target", erasure.target());
    }

    @Override
    public long stored() {
        return LedgerSink.bytesUnder(trained.resolve("ledger"));
    }

    @Override
    public void close() {
        LedgerSink.deleteTree(trained.getParent());
    }

    private static void copyTree(Path from, Path to) {
        try (Stream<Path> paths = Files.walk(from)) {
            for (Path path : paths.toList()) {
                Files.copy(path, to.resolve(from.relativize(path).toString()));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
