package dev.lethe.influence;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lethe.engine.CaptureRing.Capture;
import dev.lethe.engine.Engine;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.influence.InfluenceScorer.ScoreOptions;
import dev.lethe.influence.LedgerBlocks.Shard;
import dev.lethe.influence.ScoreMerger.QueryScores;
import dev.lethe.influence.ScoreMethod.Weighing;
import dev.lethe.ledger.Destruction;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.Entry.EntryHeader;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.LedgerManifest;
import dev.lethe.ledger.LedgerWriter;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A million entries of four tokens, 704 bytes each with their frames, over 64 segments: opened, cut, scored whole and by four shards,
 * merged. The log says how long each took and what the heap held.
 */
@Tag("extended")
class MillionEntriesTest {
    private static final int ENTRIES = 1_000_000;
    private static final int SEGMENTS = 64;
    private static final int TOKENS = 4;
    private static final ModelShape SHAPE = new ModelShape(64, 8, 8, 2, 1, 16, 1e-5, true);

    @TempDir
    Path folder;

    @Test
    void aMillionEntriesAreScoredByShardsAsWhole() throws Exception {
        Path path = folder.resolve("ledger");
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(SHAPE, Dtype.F32)) {
            model.initialize(3);
            List<Example> examples = examples();
            log("write", () -> write(path, model, examples));
            log("open", () -> count(path));
            Files.delete(path.resolve("index"));
            log("open without an index", () -> count(path));
            log("index again", () -> Destruction.destroy(path, Set.of(RecordKey.of("nobody"))));
            List<InfluenceQuery> query = List.of(new InfluenceQuery("q", examples.subList(0, 1)));
            InfluenceScorer scorer = new InfluenceScorer(model, ScoreOptions.defaults());
            try (GradientLedger ledger = log("open", () -> GradientLedger.open(path))) {
                LedgerBlocks blocks = log("cut into blocks", () -> scorer.blocks(ledger.entries()));
                assertEquals(SEGMENTS, blocks.entries().stream().map(Entry::segment).distinct().count());
                ScoreRequest request = log("hash", () -> ScoreRequest.of("m", blocks, ledger.manifest().sites(), query,
                        List.of(Weighing.COSINE), Map.of()));
                for (String time : List.of("read and check", "read again"))
                    log(time, () -> {
                        LedgerPass.run(ledger, blocks, blocks.all(), _ -> { });
                        return 0;
                    });
                List<QueryScores> whole = new ArrayList<>();
                for (Weighing weighing : List.of(Weighing.SUM, Weighing.COSINE))
                    log("score, " + weighing, () -> {
                        whole.clear();
                        scorer.scores(ledger, ledger.entries(), query, weighing, null, whole::add);
                        return whole.size();
                    });
                List<Path> files = new ArrayList<>();
                for (int i = 1; i <= 4; i++) {
                    Shard shard = blocks.shard(i, 4);
                    files.add(folder.resolve("part" + i));
                    log("shard " + shard, () -> {
                        PartialScores.write(files.getLast(), request, shard, model.sites(), sink -> scorer.rows(ledger, blocks, shard, query,
                                request.weighings(), null, sink));
                        return shard.last() - shard.first();
                    });
                }
                List<QueryScores> merged = new ArrayList<>();
                log("merge", () -> {
                    List<PartialScores> parts = files.stream().map(PartialScores::open).toList();
                    PartialScores.merge(parts, blocks, model.sites(), (_, scores) -> merged.add(scores));
                    parts.forEach(PartialScores::close);
                    return Files.exists(files.getFirst()) ? files.getFirst().toFile().length() : 0;
                });
                assertEquals(ENTRIES / 2, merged.getFirst().records().size());
                for (int i = 0; i < ENTRIES / 2; i++)
                    assertEquals(whole.getFirst().records().get(i).total(), merged.getFirst().records().get(i).total(), 0, "record " + i);
            }
        }
    }

    private static long count(Path path) {
        try (GradientLedger ledger = GradientLedger.open(path)) {
            return ledger.entries().size();
        }
    }

    private static long write(Path path, LanguageModel model, List<Example> examples) {
        EntryFormat format = new EntryFormat(model.sites("embedding"), 4, Dtype.BF16);
        LedgerManifest manifest = LedgerManifest.of("m", SHAPE, format.sites().names(), 4, Dtype.BF16);
        try (Arena arena = Arena.ofShared()) {
            List<MemorySegment> room = examples.stream().map(example -> arena.allocate(model.entries().bytes(format, TOKENS,
                    example.targetCount()), 64)).toList();
            model.gradient(BatchPlan.batch(examples, IntStream.range(0, examples.size()).toArray()), false, new Capture(format, room));
            long frame = 192 + room.getFirst().byteSize();
            long segment = 64 + (ENTRIES + SEGMENTS - 1) / SEGMENTS * frame;
            try (LedgerWriter writer = LedgerWriter.create(path, manifest, segment)) {
                for (int from = 0; from < ENTRIES; from += room.size()) {
                    int first = from;
                    writer.write(IntStream.range(from, from + room.size()).mapToObj(i -> new EntryHeader(RecordKey.of("record-"
                            + i % (ENTRIES / 2)), i / (ENTRIES / 2), first / 8, 1e-3, 1, TOKENS, TOKENS)).toList(), room);
                    writer.commit();
                }
            }
            return frame;
        }
    }

    private static <T> T log(String what, Supplier<T> work) {
        long start = System.nanoTime();
        T result = work.get();
        long taken = System.nanoTime() - start;
        System.gc();
        Runtime heap = Runtime.getRuntime();
        System.getLogger("dev.lethe.influence").log(System.Logger.Level.INFO, "{0}: {1} ms, {2} MB on the heap afterwards{3}", what,
                taken / 1_000_000, (heap.totalMemory() - heap.freeMemory()) >> 20, result instanceof Number number ? ": " + number : "");
        return result;
    }

    private static List<Example> examples() {
        SplittableRandom random = new SplittableRandom(4);
        return IntStream.range(0, 500).mapToObj(i -> new Example("e" + i, i, random.ints(TOKENS, 0, 64).toArray(),
                random.ints(TOKENS, 0, 64).toArray(), false)).toList();
    }
}
