package dev.lethe.bench;

import dev.lethe.engine.Batch;
import dev.lethe.engine.Engine;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.influence.InfluenceScorer;
import dev.lethe.influence.InfluenceScorer.ScoreOptions;
import dev.lethe.influence.ScoreMerger.QueryScores.EntryScore;
import dev.lethe.ledger.Entry.EntryHeader;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.LedgerManifest;
import dev.lethe.ledger.LedgerWriter;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.text.Example;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What does the ledger cost around the arithmetic? 256 entries of 32 tokens, whole model, top-k:64, of a model of two
 * layers, hidden 64, 1,000 tokens: some 300 kB each. append: room, checksum, commit marker of all of them (payloads are not
 * computed); scan: open and check every byte; dot: scan and the inner product of each with a query.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class LedgerBench {
    private static final int ENTRIES = 256;
    private static final int TOKENS = 32;

    private Path folder;
    private Engine engine;
    private LanguageModel model;
    private ParameterVector query;
    private LedgerManifest manifest;
    private long entryBytes;
    private LedgerWriter writer;
    private int appended;

    /** Captures the ledger that is read. */
    @Setup
    public void open() throws IOException {
        folder = Files.createTempDirectory("lethe-bench");
        engine = Engine.cpu();
        model = engine.model(new ModelShape(1000, TOKENS, 64, 2, 2, 256, 1e-5, true), Dtype.F32);
        model.initialize(1);
        EntryFormat format = new EntryFormat(model.sites("all"), 64, Dtype.F32);
        manifest = LedgerManifest.of("0".repeat(64), model.shape(), format.sites().names(), 64, Dtype.F32);
        entryBytes = model.entries().bytes(format, TOKENS, TOKENS);
        try (LedgerSink sink = new LedgerSink(model, folder.resolve("read"), format)) {
            sink.captureAll(examples(), 16);
        }
        model.gradient(Examples.batch(examples().subList(0, 1)));
        query = model.buffer(dev.lethe.engine.Buffer.GRADIENT).copy();
    }

    private static List<Example> examples() {
        SplittableRandom random = new SplittableRandom(0);
        List<Example> examples = new ArrayList<>();
        for (int i = 0; i < ENTRIES; i++) {
            int[] tokens = random.ints(TOKENS, 0, 1000).toArray();
            examples.add(new Example("r" + i, i, tokens, Batch.shift(tokens, 0), false));
        }
        return examples;
    }

    /** An empty ledger for every iteration of append. */
    @Setup(Level.Iteration)
    public void openWriter() {
        LedgerSink.deleteTree(folder.resolve("written"));
        writer = LedgerWriter.create(folder.resolve("written"), manifest);
    }

    @TearDown(Level.Iteration)
    public void closeWriter() {
        writer.close();
    }

    @TearDown
    public void close() {
        query.close();
        model.close();
        engine.close();
        LedgerSink.deleteTree(folder);
    }

    /** One batch of all entries; the room of the batch before is given back first. */
    @Benchmark
    public long append() {
        writer.truncateAfter(0);
        for (int i = 0; i < ENTRIES; i++) {
            MemorySegment room = writer.reserve(
                    new EntryHeader(RecordKey.of("r" + i), 0, 1, 5e-5, 1, TOKENS, TOKENS - 1), entryBytes);
            room.fill((byte) ++appended);
        }
        writer.commit();
        return writer.size();
    }

    @Benchmark
    public long scan() {
        try (GradientLedger ledger = GradientLedger.open(folder.resolve("read"))) {
            return ledger.entries().stream().mapToLong(entry -> ledger.payload(entry).byteSize()).sum();
        }
    }

    @Benchmark
    public List<EntryScore> dot() {
        try (GradientLedger ledger = GradientLedger.open(folder.resolve("read"))) {
            return new InfluenceScorer(model, ScoreOptions.defaults()).dot(ledger, ledger.entries(), query);
        }
    }
}
