/*
 * The ascent direction of some records from the ledger: open, read and check each entry, one weighted factor product a
 * site. Capturing them is not timed. Peer: bench/python/ascent.py.
 */
package dev.lethe.bench;

import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.shape.Dtype;
import dev.lethe.text.Example;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

final class AscentCase implements Case {
    private final LanguageModel model;
    private final ParameterVector direction;
    private final Path folder;

    AscentCase(Setup setup) {
        model = Checkpoint.load(setup.engine(), setup.model(), Dtype.F32);
        folder = setup.work().resolve("ascent-ledger");
        List<Example> examples = Examples.read(setup.examples());
        try (LedgerSink sink = new LedgerSink(model, folder, setup.args())) {
            sink.captureAll(examples, setup.args().get("batch").asInt());
        }
        direction = model.vector();
    }

    @Override
    public Map<String, Long> run() {
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            List<MemorySegment> data = ledger.entries().stream().map(ledger::payload).toList();
            double[] ones = new double[data.size()];
            Arrays.fill(ones, 1);
            direction.scale(0);
            model.entries().accumulate(ledger.format(model), data, ones, null, direction);
        }
        return Map.of();
    }

    @Override
    public void result(Results out) {
        run();
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            out.add(model, direction, ledger.format(model).sites(), "");
        }
    }

    @Override
    public List<Path> files() {
        return LedgerSink.filesUnder(folder);
    }

    @Override
    public long stored() {
        return LedgerSink.bytesUnder(folder);
    }

    @Override
    public void close() {
        direction.close();
        model.close();
        LedgerSink.deleteTree(folder);
    }
}
