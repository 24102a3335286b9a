/*
 * A first epoch: training steps one after the other, plain or with every record's gradient into the ledger. Files go to
 * the page cache; nothing waits for the disk, on either side. Peer: bench/python/first_epoch.py.
 */
package dev.lethe.bench;

import dev.lethe.engine.AdamW;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.model.Checkpoint;
import dev.lethe.shape.Dtype;
import dev.lethe.text.Example;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

final class EpochCase implements Case {
    private final LanguageModel model;
    private final List<List<Example>> parts;
    private final List<Batch> batches;
    private final Path folder;
    private final LedgerSink sink; // null when plain
    private long steps;

    EpochCase(Setup setup) {
        model = Checkpoint.load(setup.engine(), setup.model(), Dtype.F32);
        parts = Examples.parts(Examples.read(setup.examples()), setup.args().get("batch").asInt());
        batches = parts.stream().map(Examples::tokenMean).toList();
        folder = setup.work().resolve("epoch-ledger");
        sink = setup.variant().equals("plain") ? null : new LedgerSink(model, folder, setup.args());
    }

    @Override
    public void before() {
        if (sink != null) {
            sink.clear();
        }
    }

    /** Parts: gradients and updates of all steps, tail: the wait after the last one; writer: its thread, beside them. */
    @Override
    public Map<String, Long> run() {
        long gradients = 0;
        long updates = 0;
        long start = System.nanoTime();
        for (int i = 0; i < parts.size(); i++) {
            model.gradient(batches.get(i), false, sink == null ? null : sink.begin(parts.get(i), i + 1));
            if (sink != null) {
                sink.captured();
            }
            long middle = System.nanoTime();
            model.step(AdamW.defaults(), ++steps);
            if (sink != null) {
                sink.commit();
            }
            long end = System.nanoTime();
            gradients += middle - start;
            updates += end - middle;
            start = end;
        }
        if (sink == null) {
            return Map.of("gradients", gradients, "updates", updates);
        }
        sink.finish();
        return Map.of("gradients", gradients, "updates", updates, "tail", System.nanoTime() - start, "writer", sink.busy());
    }

    /** Gradient of the first batch: after some steps of AdamW rounding has become whole steps. */
    @Override
    public void result(Results out) {
        model.gradient(batches.getFirst());
        out.add(model, Buffer.GRADIENT);
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
