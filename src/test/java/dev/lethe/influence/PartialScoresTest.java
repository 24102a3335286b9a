package dev.lethe.influence;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.engine.Batch;
import dev.lethe.engine.CaptureRing.Capture;
import dev.lethe.engine.Engine;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.influence.InfluenceScorer.ScoreOptions;
import dev.lethe.influence.LedgerBlocks.Shard;
import dev.lethe.influence.ScoreMerger.QueryScores;
import dev.lethe.influence.ScoreMerger.QueryScores.RecordScore;
import dev.lethe.influence.ScoreMethod.Weighing;
import dev.lethe.ledger.Compaction;
import dev.lethe.ledger.Destruction;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.Entry.EntryHeader;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.LedgerManifest;
import dev.lethe.ledger.LedgerWriter;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.Site;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Shards that are merged against one pass, bit for bit, and everything that must not be merged. */
@ExtendWith(NoLeaks.class)
class PartialScoresTest {
    private static final ModelShape SHAPE = new ModelShape(50, 16, 8, 2, 2, 32, 1e-5, true);
    private static final int RECORDS = 11;
    private static final int EPOCHS = 3;
    private static final ScoreOptions OPTIONS = ScoreOptions.defaults().withBlockBytes(12_000);

    @TempDir
    Path folder;

    private Engine engine;
    private LanguageModel model;
    private List<Example> examples;
    private List<InfluenceQuery> queries;

    @BeforeEach
    void capture() {
        engine = Engine.cpu();
        model = engine.model(SHAPE, Dtype.F32);
        model.initialize(3);
        examples = examples();
        queries = List.of(new InfluenceQuery("one", examples.subList(0, 1)), new InfluenceQuery("three", examples.subList(2, 5)),
                new InfluenceQuery("last", examples.subList(RECORDS - 1, RECORDS)));
        EntryFormat format = new EntryFormat(model.sites("all"), 8, Dtype.F32);
        LedgerManifest manifest = LedgerManifest.of("hash", SHAPE, format.sites().names(), 8, Dtype.F32);
        long small = 60_000;
        try (LedgerWriter writer = LedgerWriter.create(folder.resolve("ledger"), manifest, small)) {
            for (int epoch = 0; epoch < EPOCHS; epoch++) {
                List<MemorySegment> room = new ArrayList<>();
                for (Example example : examples) {
                    int tokens = example.tokens().length;
                    EntryHeader header = new EntryHeader(RecordKey.of(example.id()), epoch, epoch, 0.5 / (epoch + 1), 1, tokens,
                            example.targetCount());
                    room.add(writer.reserve(header, model.entries().bytes(format, tokens, example.targetCount())));
                }
                model.gradient(BatchPlan.batch(examples, all()), false, new Capture(format, room));
                writer.commit();
            }
        }
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    @Test
    void shardsCoverEveryBlockOnceAndAreAboutEven() {
        try (GradientLedger ledger = open()) {
            LedgerBlocks blocks = LedgerBlocks.of(ledger.entries(), 12_000);
            assertTrue(blocks.count() > 12, blocks.count() + " blocks");
            long all = bytes(blocks.entries());
            for (int n : new int[] {1, 2, 3, 7, 1000}) {
                int position = 0;
                for (int i = 1; i <= n; i++) {
                    Shard shard = blocks.shard(i, n);
                    assertEquals(position, shard.first());
                    position = shard.last();
                    if (n <= 3) assertEquals(all / (double) n, bytes(blocks.entries().subList(shard.first(), shard.last())), 24_000);
                }
                assertEquals(blocks.entries().size(), position);
            }
            for (int[] none : new int[][] {{0, 3}, {4, 3}, {1, 0}, {-1, -1}})
                assertThrows(IllegalArgumentException.class, () -> blocks.shard(none[0], none[1]));
            assertEquals(0, LedgerBlocks.of(List.of(), 1).shard(2, 3).last());
        }
    }

    private static long bytes(List<Entry> entries) {
        return entries.stream().mapToLong(Entry::length).sum();
    }

    @Test
    void mergedShardsAreOnePassBitForBit() {
        try (GradientLedger ledger = open()) {
            for (QueryForm form : QueryForm.values())
                for (long memory : new long[] {1, 1L << 30})
                    for (ScoreOptions options : List.of(OPTIONS, OPTIONS.withSites(model.sites("h.1.*")))) {
                        InfluenceScorer scorer = new InfluenceScorer(model, options.withForm(form).withQueryBytes(memory));
                        List<Weighing> weighings = List.of(Weighing.values());
                        List<String> whole = new ArrayList<>();
                        scorer.scores(ledger, ledger.entries(), queries, weighings, null, (w, scores) -> whole.add(w + text(scores)));
                        assertEquals(queries.size() * weighings.size(), whole.size());
                        for (int n : memory == 1 && options == OPTIONS ? new int[] {1, 2, 20} : new int[] {3}) {
                            List<String> merged = new ArrayList<>();
                            merge(ledger, scorer, write(ledger, scorer, n, weighings), (w, scores) -> merged.add(w + text(scores)));
                            assertEquals(whole, merged, form + " " + n);
                        }
                    }
        }
    }

    /** Every bit of every number. */
    private static String text(QueryScores scores) {
        StringBuilder text = new StringBuilder(scores.query() + scores.form());
        for (RecordScore score : scores.records())
            text.append('\n').append(score.key()).append(' ').append(score.epochs()).append(' ').append(score.total())
                    .append(Arrays.toString(score.bySite()));
        return text.toString();
    }

    @Test
    void selfInfluenceMergesToo() throws IOException {
        try (GradientLedger ledger = open()) {
            InfluenceScorer scorer = new InfluenceScorer(model, OPTIONS);
            LedgerBlocks blocks = scorer.blocks(ledger.entries());
            ScoreRequest request = ScoreRequest.of("m", blocks, ledger.manifest().sites(), List.of(), List.of(Weighing.SUM), Map.of());
            List<Path> files = new ArrayList<>();
            for (int i = 1; i <= 5; i++) {
                Shard shard = blocks.shard(i, 5);
                files.add(folder.resolve("self-" + shard.i()));
                PartialScores.write(files.getLast(), request, shard, model.sites(), sink -> scorer.selfRows(ledger, blocks, shard, sink));
            }
            assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(files.getFirst())));
            List<QueryScores> merged = new ArrayList<>();
            merge(ledger, scorer, files, (_, scores) -> merged.add(scores));
            assertEquals(text(new QueryScores("self", null, scorer.selfInfluence(ledger, ledger.entries()))),
                    text(merged.getFirst()));
        }
    }

    @Test
    void whatDoesNotGoTogetherIsRefused() throws IOException {
        InfluenceScorer scorer = new InfluenceScorer(model, OPTIONS);
        List<Weighing> sum = List.of(Weighing.SUM);
        try (GradientLedger ledger = open()) {
            List<Path> three = write(ledger, scorer, 3, sum);
            List<Path> two = write(ledger, scorer, 2, sum);
            refused(ledger, scorer, List.of(three.get(0), three.get(2)), "shard 2/3 is missing; compute that one too, as the others were");
            refused(ledger, scorer, List.of(three.get(1), three.get(2)), "shard 1/3 is missing; compute that one too, as the others were");
            refused(ledger, scorer, List.of(three.get(0), three.get(1)), "shard 3/3 is missing; compute that one too, as the others were");
            refused(ledger, scorer, List.of(), "there is no partial result; compute all shards first");
            refused(ledger, scorer, List.of(three.get(0), three.get(1), three.get(1), three.get(2)),
                    three.get(1) + " and " + three.get(1) + " are both shard 2/3; leave one out");
            refused(ledger, scorer, List.of(three.get(0), two.get(1)), three.get(0) + " is shard 1/3, " + two.get(1)
                    + " is shard 2/2: only shards of one cut go together");
            LedgerBlocks blocks = scorer.blocks(ledger.entries());
            LedgerBlocks few = scorer.blocks(ledger.entries(1));
            other(ledger, scorer, three, request("other", blocks, queries, sum, Map.of()), "the weights of another model");
            other(ledger, scorer, three, request("m", few, queries, sum, Map.of()), "another ledger, or other entries of it,");
            other(ledger, scorer, three, request("m", blocks, queries.subList(0, 1), sum, Map.of()), "other queries");
            other(ledger, scorer, three, request("m", blocks, queries, List.of(Weighing.COSINE), Map.of()), "another weighing");
            other(ledger, scorer, three, request("m", blocks, queries, sum, Map.of("damping", "0.1")), "another damping");
            Files.writeString(folder.resolve("text"), "a file of another kind, and not a short one");
            refused(ledger, scorer, List.of(folder.resolve("text")),
                    folder.resolve("text") + ": is no partial result, which scoring a shard writes");
        }
    }

    private void other(GradientLedger ledger, InfluenceScorer scorer, List<Path> files, ScoreRequest request, String what) {
        Path file = folder.resolve("other");
        LedgerBlocks blocks = scorer.blocks(ledger.entries());
        PartialScores.write(file, request, blocks.shard(2, 3), model.sites(), sink -> scorer.rows(ledger, blocks, blocks.shard(2, 3),
                queries, request.weighings(), null, sink));
        String message = refusal(ledger, scorer, List.of(files.get(0), file, files.get(2)));
        assertTrue(message.startsWith(file + " was computed with " + what + " than " + files.get(0) + ": "), message);
    }

    /** A shard that computed another gradient, as another processor may, is found by the gradient's norm. */
    @Test
    void aShardOfAnotherVectorIsRefused() {
        InfluenceScorer scorer = new InfluenceScorer(model, OPTIONS.withForm(QueryForm.DENSE));
        try (GradientLedger ledger = open()) {
            List<Path> files = write(ledger, scorer, 2, List.of(Weighing.SUM));
            LedgerBlocks blocks = scorer.blocks(ledger.entries());
            PartialScores.write(files.get(1), request("m", blocks, queries, List.of(Weighing.SUM), Map.of()), blocks.shard(2, 2),
                    model.sites(), sink -> scorer.rows(ledger, blocks, blocks.shard(2, 2), queries, List.of(Weighing.SUM), query -> {
                        var vector = scorer.query(query.examples(), 16);
                        vector.scale(1 + 1e-6);
                        return vector;
                    }, sink));
            assertEquals(files.get(1) + ": computed its queries' gradients to other bits than " + files.get(0) + "; score both on machines"
                    + " of one kind with one number of threads, and with the same saved factors", refusal(ledger, scorer, files));
        }
    }

    @Test
    void anErasureBetweenShardAndMergeIsNoticed() {
        InfluenceScorer scorer = new InfluenceScorer(model, OPTIONS);
        List<Path> files;
        try (GradientLedger ledger = open()) {
            files = write(ledger, scorer, 2, List.of(Weighing.SUM));
        }
        Destruction.destroy(folder.resolve("ledger"), Set.of(RecordKey.of("record-4")));
        try (GradientLedger ledger = open()) {
            refused(ledger, scorer, files, files.getFirst() + ": the ledger has changed since: 33 of its entries were asked for, now 30"
                    + " are, or they are others (an erasure takes entries away); score the shards again");
        }
    }

    @Test
    void compactingBetweenShardAndMergeChangesNothing() {
        InfluenceScorer scorer = new InfluenceScorer(model, OPTIONS);
        Destruction.destroy(folder.resolve("ledger"), Set.of(RecordKey.of("record-4")));
        List<String> whole = new ArrayList<>();
        List<Path> files;
        try (GradientLedger ledger = open()) {
            scorer.scores(ledger, ledger.entries(), queries, Weighing.COSINE, null, scores -> whole.add(text(scores)));
            files = write(ledger, scorer, 3, List.of(Weighing.COSINE));
        }
        Compaction.compact(folder.resolve("ledger"));
        try (GradientLedger ledger = open()) {
            List<String> merged = new ArrayList<>();
            merge(ledger, scorer, files, (_, scores) -> merged.add(text(scores)));
            assertEquals(whole, merged);
        }
    }

    @Test
    void aFileThatIsDamagedOrCutShortIsRefusedWhereverItIsHurt() throws IOException {
        InfluenceScorer scorer = new InfluenceScorer(model, OPTIONS);
        try (GradientLedger ledger = open()) {
            List<Path> files = write(ledger, scorer, 2, List.of(Weighing.COSINE));
            byte[] whole = Files.readAllBytes(files.get(1));
            SplittableRandom random = new SplittableRandom(5);
            for (int trial = 0; trial < 40; trial++) {
                byte[] hurt = whole.clone();
                hurt[8 + random.nextInt(hurt.length - 8)] ^= (byte) (1 << random.nextInt(8));
                Files.write(files.get(1), hurt);
                damaged(files.get(1), "its SHA-256 does not match");
                Files.write(files.get(1), Arrays.copyOf(whole, 8 + random.nextInt(whole.length - 8)));
                damaged(files.get(1), "its SHA-256 does not match");
            }
            Files.write(files.get(1), Arrays.copyOf(whole, 5));
            assertThrows(BadInputException.class, () -> PartialScores.open(files.get(1)));
            assertThrows(BadInputException.class, () -> PartialScores.open(folder.resolve("nowhere")));
        }
    }

    private static void damaged(Path file, String what) {
        assertEquals(file + ": is damaged: " + what + "; score its shard again",
                assertThrows(DamagedDataException.class, () -> PartialScores.open(file)).getMessage());
    }

    /** A pass that fails leaves no file and no part of one. */
    @Test
    void aShardThatFailsWritesNothing() throws IOException {
        InfluenceScorer scorer = new InfluenceScorer(model, OPTIONS);
        Path out = Files.createDirectory(folder.resolve("out"));
        try (GradientLedger ledger = open()) {
            LedgerBlocks blocks = scorer.blocks(ledger.entries());
            ScoreRequest request = request("m", blocks, queries, List.of(Weighing.SUM), Map.of());
            assertThrows(IllegalStateException.class, () -> PartialScores.write(out.resolve("p"), request, blocks.all(), model.sites(),
                    sink -> {
                        scorer.rows(ledger, blocks, blocks.shard(1, 2), queries, List.of(Weighing.SUM), null, sink);
                        throw new IllegalStateException("stopped");
                    }));
        }
        try (var left = Files.list(out)) {
            assertFalse(left.findAny().isPresent());
        }
    }

    private ScoreRequest request(String model, LedgerBlocks blocks, List<InfluenceQuery> asked, List<Weighing> weighings,
            Map<String, String> settings) {
        return ScoreRequest.of(model, blocks, this.model.sites("all").sites().stream().map(Site::name).toList(), asked, weighings, settings);
    }

    private List<Path> write(GradientLedger ledger, InfluenceScorer scorer, int n, List<Weighing> weighings) {
        LedgerBlocks blocks = scorer.blocks(ledger.entries());
        List<String> sites = scorer.options().sites() == null ? ledger.manifest().sites() : List.copyOf(scorer.options().sites().names());
        ScoreRequest request = ScoreRequest.of("m", blocks, sites, queries, weighings, Map.of());
        List<Path> files = new ArrayList<>();
        for (int i = 1; i <= n; i++) {
            Shard shard = blocks.shard(i, n);
            files.add(folder.resolve(i + "-of-" + n));
            PartialScores.write(files.getLast(), request, shard, model.sites(), sink -> scorer.rows(ledger, blocks, shard, queries,
                    weighings, null, sink));
        }
        return files;
    }

    private void merge(GradientLedger ledger, InfluenceScorer scorer, List<Path> files,
            BiConsumer<Weighing, QueryScores> each) {
        List<Path> turned = new ArrayList<>(files);
        Collections.reverse(turned);
        List<PartialScores> parts = turned.stream().map(PartialScores::open).toList();
        try {
            PartialScores.merge(parts, scorer.blocks(ledger.entries()), model.sites(), each);
        } finally {
            parts.forEach(PartialScores::close);
        }
    }

    private void refused(GradientLedger ledger, InfluenceScorer scorer, List<Path> files, String message) {
        assertEquals(message, refusal(ledger, scorer, files));
    }

    private String refusal(GradientLedger ledger, InfluenceScorer scorer, List<Path> files) {
        return assertThrows(BadInputException.class, () -> {
            List<PartialScores> parts = files.stream().map(PartialScores::open).toList();
            try {
                PartialScores.merge(parts, scorer.blocks(ledger.entries()), model.sites(), (_, _) -> { });
            } finally {
                parts.forEach(PartialScores::close);
            }
        }).getMessage();
    }

    private GradientLedger open() {
        return GradientLedger.open(folder.resolve("ledger"));
    }

    private static int[] all() {
        int[] indices = new int[RECORDS];
        Arrays.setAll(indices, i -> i);
        return indices;
    }

    private static List<Example> examples() {
        SplittableRandom random = new SplittableRandom(11);
        List<Example> examples = new ArrayList<>();
        for (int i = 0; i < RECORDS; i++) {
            int[] tokens = random.ints(4 + random.nextInt(9), 0, 50).toArray();
            int[] targets = random.ints(tokens.length, 0, 50).toArray();
            targets[0] = Batch.IGNORE;
            examples.add(new Example("record-" + i, i, tokens, targets, false));
        }
        return examples;
    }
}
