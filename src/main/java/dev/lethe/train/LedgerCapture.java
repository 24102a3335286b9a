/* The way of a batch's gradients into the ledger: reserve room, let the backward pass fill it, commit. */
package dev.lethe.train;

import dev.lethe.data.Example;
import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Capture;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.SiteSet;
import dev.lethe.ledger.EntryHeader;
import dev.lethe.ledger.LedgerManifest;
import dev.lethe.ledger.LedgerWriter;
import dev.lethe.ledger.RecordKey;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;

/** The writing side of a run's ledger during training. One thread. */
final class LedgerCapture implements AutoCloseable {
    private final LanguageModel model;
    private final EntryFormat format;
    private final LedgerWriter writer;
    private CaptureEvent event;

    private LedgerCapture(LanguageModel model, EntryFormat format, LedgerWriter writer) {
        this.model = model;
        this.format = format;
        this.writer = writer;
    }

    /** What is captured of a record under these options. */
    static EntryFormat format(LanguageModel model, TrainConfig config) {
        if (config.headTopK() > model.shape().vocabulary()) {
            throw new BadInputException("head top-k is " + config.headTopK() + ", the model's vocabulary is only "
                    + model.shape().vocabulary() + "; use a smaller k, or exact");
        }
        try {
            SiteSet sites = model.sites(config.sites());
            return new EntryFormat(sites, config.headTopK(), config.ledgerDtype(), config.rank());
        } catch (IllegalArgumentException e) {
            throw new BadInputException("sites '" + config.sites() + "': " + e.getMessage(), e);
        }
    }

    /** Opens the run's ledger behind the entries of this many steps, or makes it. */
    static LedgerCapture open(RunFolder run, LanguageModel model, String modelHash, long steps) {
        TrainConfig config = run.info().config();
        EntryFormat format = format(model, config);
        LedgerWriter writer;
        if (Files.exists(run.ledger().resolve("manifest.json"))) {
            writer = LedgerWriter.append(run.ledger());
            writer.truncateAfter(steps);
        } else {
            writer = LedgerWriter.create(run.ledger(), LedgerManifest.of(modelHash, model.shape(), format.sites().names(),
                    config.headTopK(), config.ledgerDtype()).withRank(config.rank()));
        }
        return new LedgerCapture(model, format, writer);
    }

    /**
     * Room for the gradients of a batch; they count only after {@link #commit}.
     *
     * @param epoch   0-based, as the ledger has it
     * @param weights [B] of the records in the batch's loss
     */
    Capture reserve(List<Example> examples, int[] indices, int epoch, long step, double learningRate, double[] weights) {
        event = new CaptureEvent();
        event.begin();
        event.step = step;
        event.records = indices.length;
        List<MemorySegment> room = new ArrayList<>(indices.length);
        for (int b = 0; b < indices.length; b++) {
            Example example = examples.get(indices[b]);
            int tokens = example.tokens().length;
            int targets = example.targetCount();
            long bytes = model.entryBytes(format, tokens, targets);
            room.add(writer.reserve(new EntryHeader(RecordKey.of(example.id()), epoch, step, learningRate, weights[b],
                    tokens, targets), bytes));
            event.bytes += bytes;
        }
        return new Capture(format, room);
    }

    void commit() {
        writer.commit();
        event.commit();
    }

    void sync() {
        writer.sync();
    }

    @Override
    public void close() {
        writer.close();
    }
}
