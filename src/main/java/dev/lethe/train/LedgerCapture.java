/* The way of a batch's gradients into the ledger: reserve room, let the backward pass fill it, commit. */
package dev.lethe.train;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.engine.CaptureRing.Capture;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.ledger.Entry.EntryHeader;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.LedgerKeys;
import dev.lethe.ledger.LedgerManifest;
import dev.lethe.ledger.LedgerWriter;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.SiteSet;
import dev.lethe.text.Example;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** The writing side of a run's ledger during training. One thread. */
final class LedgerCapture implements StepCapture {
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
            throw new BadInputException("sites '" + config.sites() + "': " + Reason.of(e), e);
        }
    }

    /** Opens this rank's ledger behind what the checkpoint says that it had, or makes it. */
    static LedgerCapture open(RunFolder run, LanguageModel model, String modelHash, RankLedgers ledgers) {
        TrainConfig config = run.info().config();
        EntryFormat format = format(model, config);
        LedgerManifest manifest = LedgerManifest.of(modelHash, model.shape(), format.sites().names(), config.headTopK(),
                config.ledgerDtype()).withRank(config.rank());
        return new LedgerCapture(model, format, ledgers.open(manifest));
    }

    /** What a run's ledger is to lie under, made if need be; null: nothing. @throws BadInputException when it is in the run */
    static LedgerKeys keys(TrainConfig config, Path run) {
        if (config.ledgerKeys() == null || config.capture() == TrainConfig.CapturePolicy.NONE) {
            return null;
        }
        Path folder = LedgerKeys.place(config.ledgerKeys());
        LedgerKeys.requireOutside(folder, run);
        return LedgerKeys.openOrMake(folder);
    }

    EntryFormat format() {
        return format;
    }

    /** Bytes of each record's entry. */
    private static long[] sizes(LanguageModel model, EntryFormat format, List<Example> examples, int[] indices) {
        return IntStream.of(indices).mapToObj(examples::get)
                .mapToLong(e -> model.entries().bytes(format, e.tokens().length, e.targetCount())).toArray();
    }

    @Override
    public Capture begin(Order order) {
        return new Capture(format, reserve(order, sizes(model, format, order.examples(), order.indices())));
    }

    @Override
    public void captured() {
        // The backward pass wrote the entries where they are to be.
    }

    /** Room for the gradients of a batch; they count only after {@link #commit}. */
    private List<MemorySegment> reserve(Order order, long[] sizes) {
        List<EntryHeader> headers = headers(order, LongStream.of(sizes));
        return IntStream.range(0, sizes.length).mapToObj(b -> writer.reserve(headers.get(b), sizes[b])).toList();
    }

    /** Writes a batch's entries, which lie elsewhere; they count only after {@link #commit}. */
    void write(Order order, List<MemorySegment> entries) {
        writer.write(headers(order, entries.stream().mapToLong(MemorySegment::byteSize)), entries);
    }

    private List<EntryHeader> headers(Order order, LongStream sizes) {
        if (event == null) {
            event = new CaptureEvent();
            event.begin();
            event.step = order.step();
        }
        event.records += order.indices().length;
        event.bytes += sizes.sum();
        return IntStream.range(0, order.indices().length).mapToObj(b -> {
            Example example = order.examples().get(order.indices()[b]);
            return new EntryHeader(RecordKey.of(example.id()), order.epoch(), order.step(), order.learningRate(),
                    order.weights()[b], example.tokens().length, example.targetCount());
        }).toList();
    }

    @Override
    public void commit() {
        if (event != null) { // else this rank had none of the step's records
            writer.commit();
            event.commit();
            event = null;
        }
    }

    @Override
    public int sync() {
        writer.sync();
        return writer.size();
    }

    @Override
    public void close() {
        writer.close();
    }

    /** The JFR event of capturing one batch: from reserving its room to the commit, the backward pass included. */
    @Name("dev.lethe.Capture")
    @Label("Gradient capture")
    @Category({"Lethe", "Training"})
    @StackTrace(false)
    static final class CaptureEvent extends Event {
        @Label("Step") long step;
        @Label("Records") int records;
        @Label("Bytes") @DataAmount long bytes;
    }
}
