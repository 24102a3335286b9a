/*
 * The gradient of a batch (variant batch), or the same with every record's own gradient into a ledger (variant capture):
 * room reserved, factors written by the backward pass, checksums, commit marker. Peer: bench/python/record_gradients.py.
 */
package dev.lethe.bench;

import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.shape.Dtype;
import dev.lethe.text.Example;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

final class RecordsCase implements Case {
    private final LanguageModel model;
    private final List<Example> examples;
    private final Batch batch;
    private final Path folder;
    private final LedgerSink sink; // null without capture

    RecordsCase(Setup setup) {
        model = Checkpoint.load(setup.engine(), setup.model(), Dtype.F32);
        examples = Examples.read(setup.examples());
        batch = Examples.batch(examples);
        folder = setup.work().resolve("records-ledger");
        sink = setup.variant().equals("capture") ? new LedgerSink(model, folder, setup.args()) : null;
    }

    @Override
    public void before() {
        if (sink != null) {
            sink.clear();
        }
    }

    @Override
    public Map<String, Long> run() {
        if (sink == null) {
            model.gradient(batch);
        } else {
            model.gradient(batch, false, sink.begin(examples, 1));
            sink.captured();
            sink.commit();
            sink.finish();
        }
        return Map.of();
    }

    /** The batch's gradient, or the first and the last record's as they come out of the ledger. */
    @Override
    public void result(Results out) {
        run();
        if (sink == null) {
            out.add(model, Buffer.GRADIENT);
            return;
        }
        try (GradientLedger ledger = GradientLedger.open(folder); ParameterVector dense = model.vector()) {
            for (int b : new int[] {0, examples.size() - 1}) {
                Entry entry = ledger.entries().get(b);
                dense.scale(0);
                model.entries().accumulate(ledger.format(model), List.of(ledger.payload(entry)), new double[] {1}, null, dense);
                out.add(model, dense, ledger.format(model).sites(), b + "/");
            }
        }
        sink.clear();
    }

    @Override
    public long stored() {
        return sink == null ? 0 : sink.bytes();
    }

    @Override
    public void close() {
        if (sink != null) {
            sink.close();
            LedgerSink.deleteTree(folder);
        }
        model.close();
    }
}
