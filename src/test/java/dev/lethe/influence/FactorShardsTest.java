package dev.lethe.influence;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
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
import dev.lethe.engine.KroneckerFactors;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.ledger.Destruction;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.Entry.EntryHeader;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.LedgerManifest;
import dev.lethe.ledger.LedgerWriter;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.SiteSet;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Shards of factors against those of one process, byte for byte, and everything that must not be put together. */
@ExtendWith(NoLeaks.class)
class FactorShardsTest {
    private static final int RECORDS = 40; // two batches

    @TempDir
    Path folder;
    private Engine engine;

    @BeforeEach
    void open() {
        engine = Engine.cpu();
    }

    @AfterEach
    void close() {
        engine.close();
    }

    private interface Use {
        void of(LanguageModel model, GradientLedger ledger) throws IOException;
    }

    private void captured(boolean tied, Use use) throws IOException {
        ModelShape shape = new ModelShape(50, 16, 24, 2, 2, 40, 1e-5, tied);
        Path at = folder.resolve("ledger-" + tied);
        try (LanguageModel model = engine.model(shape, Dtype.F32)) {
            model.initialize(3);
            EntryFormat format = new EntryFormat(model.sites("all"), 8, Dtype.F32);
            LedgerManifest manifest = LedgerManifest.of("hash", shape, format.sites().names(), 8, Dtype.F32);
            SplittableRandom random = new SplittableRandom(8);
            List<Example> examples = IntStream.range(0, RECORDS).mapToObj(i -> {
                int[] tokens = random.ints(2 + i % 12, 0, 50).toArray();
                return new Example("r" + i, i, tokens, Batch.shift(tokens, 1), false);
            }).toList();
            try (LedgerWriter writer = LedgerWriter.create(at, manifest)) {
                List<MemorySegment> room = new ArrayList<>();
                for (Example example : examples) {
                    int tokens = example.tokens().length;
                    EntryHeader header = new EntryHeader(RecordKey.of(example.id()), 0, 0, 0.5, 1, tokens, example.targetCount());
                    room.add(writer.reserve(header, model.entries().bytes(format, tokens, example.targetCount())));
                }
                model.gradient(BatchPlan.batch(examples, IntStream.range(0, RECORDS).toArray()), false, new Capture(format, room));
                writer.commit();
            }
            try (GradientLedger ledger = GradientLedger.open(at)) {
                use.of(model, ledger);
            }
        }
    }

    private static FactorShards factors(LanguageModel model, GradientLedger ledger, SiteSet sites) {
        return new FactorShards(model, ledger, ledger.entries(), sites, 5);
    }

    private byte[] bytes(KroneckerFactors factors) throws IOException {
        try (factors) {
            Path file = folder.resolve("whole");
            factors.save(file, "m");
            return Files.readAllBytes(file);
        }
    }

    @Test
    void shardsAreOneProcessByteForByte() throws IOException {
        for (boolean tied : new boolean[] {true, false})
            captured(tied, (model, ledger) -> {
                for (String sites : List.of("all", "embedding,block:1", "head", "h.0.ln_1")) {
                    FactorShards all = factors(model, ledger, model.sites(sites));
                    byte[] whole = bytes(all.fit());
                    int blocks = sites.equals("all") ? tied ? 15 : 16 : sites.startsWith("e") ? tied ? 7 : 8 : 1;
                    for (int n : IntStream.of(1, 2, 3, blocks).filter(n -> n <= blocks).distinct().toArray()) {
                        Path parts = folder.resolve(tied + sites + n);
                        List<String> names = new ArrayList<>();
                        for (int i = n; i >= 1; i--) {
                            FactorShards.Written shard = all.write(i, n, parts, "m", "here");
                            assertEquals(RECORDS, shard.entries());
                            assertEquals(Files.size(Path.of(shard.file())), shard.bytes());
                            assertFalse(shard.sites().isEmpty());
                            names.addAll(shard.sites());
                        }
                        assertEquals(List.copyOf(all.sites().names()).stream().sorted().toList(), names.stream().sorted().toList());
                        assertArrayEquals(whole, bytes(all.read(parts, "m")), sites + " " + n);
                    }
                    refused("shard 1/" + (blocks + 1) + ": the curvature at these sites has " + blocks + " blocks, one a tensor, and a"
                            + " shard has at least one; ask for at most " + blocks, () -> all.write(1, blocks + 1, folder, "m", "here"));
                }
            });
    }

    @Test
    void sharesAreAboutEven() throws IOException {
        captured(true, (model, ledger) -> {
            FactorShards all = factors(model, ledger, model.sites("all"));
            long whole = all.write(1, 1, folder.resolve("one"), "m", "here").bytes();
            for (int i = 1; i <= 3; i++) {
                assertEquals(whole / 3.0, all.write(i, 3, folder.resolve("three"), "m", "here").bytes(), 0.15 * whole);
            }
        });
    }

    @Test
    void whatDoesNotGoTogetherIsRefused() throws IOException {
        captured(true, (model, ledger) -> {
            FactorShards all = factors(model, ledger, model.sites("all"));
            Path parts = folder.resolve("parts");
            Path one = path(all.write(1, 2, parts, "m", "here"));
            refused("shard 2/2 is missing; compute that one too, as the others were", () -> all.read(parts, "m"));
            other(parts, all.write(2, 2, parts, "n", "here"), all, "the weights of another model than " + one + ": n, not m");
            other(parts, all.write(2, 2, parts, "m", "there"), all, "another machine than " + one + ": there, not here");
            FactorShards few = new FactorShards(model, ledger, ledger.entries().subList(1, RECORDS), all.sites(), 5);
            other(parts, few.write(2, 2, parts, "m", "here"), all, "other entries of the ledger than " + one);
            FactorShards drawn = new FactorShards(model, ledger, ledger.entries(), all.sites(), 6);
            other(parts, drawn.write(2, 2, parts, "m", "here"), all, "other entries of the ledger than " + one);
            FactorShards sites = factors(model, ledger, model.sites("block:0"));
            other(parts, sites.write(2, 2, parts, "m", "here"), all, "other sites than " + one);
            Path two = path(all.write(2, 2, parts, "m", "here"));
            Path again = Files.copy(two, parts.resolve("x.factors"));
            refused(two + " and " + again + " are both shard 2/2; leave one out", () -> all.read(parts, "m"));
            Files.delete(again);
            Path third = path(all.write(3, 3, parts, "m", "here"));
            refused(one + " is shard 1/2, " + third + " is shard 3/3: only shards of one cut go together", () -> all.read(parts, "m"));
            Files.delete(third);
            Files.write(parts.resolve("whole.factors"), bytes(all.read(parts, "m")));
            refused(parts + "/whole.factors: holds factors and is no shard of them, which computing a shard of a curvature writes",
                    () -> all.read(parts, "m"));
            Files.delete(parts.resolve("whole.factors"));
            byte[] bytes = Files.readAllBytes(two);
            bytes[bytes.length / 2] ^= 1;
            Files.write(two, bytes);
            damaged(two + ": its checksum", () -> all.read(parts, "m"));
            Files.write(two, Arrays.copyOf(bytes, bytes.length - 100));
            damaged(two + ": has ", () -> all.read(parts, "m"));
            Files.writeString(two, "text");
            refused(two + ": not a file of numbers that Lethe wrote", () -> all.read(parts, "m"));
            Path text = Files.writeString(folder.resolve("no-folder"), "text");
            refused(text + ": is no folder, and the shards need one", () -> all.write(1, 2, text, "m", "here"));
            Path empty = Files.createDirectory(folder.resolve("empty"));
            refused(empty + ": there is no partial result in it (*.factors); compute the shards first (docs/scaling.md)",
                    () -> all.read(empty, "m"));
        });
    }

    private static Path path(FactorShards.Written shard) {
        return Path.of(shard.file());
    }

    private static void other(Path parts, FactorShards.Written shard, FactorShards all, String what) {
        String message = assertThrows(BadInputException.class, () -> all.read(parts, "m")).getMessage();
        assertTrue(message.startsWith(shard.file() + " was computed with " + what), message);
    }

    private static void refused(String message, Executable what) {
        assertEquals(message, assertThrows(BadInputException.class, what).getMessage());
    }

    private static void damaged(String begin, Executable what) {
        String message = assertThrows(DamagedDataException.class, what).getMessage();
        assertTrue(message.startsWith(begin), message);
    }

    /** All shards are there and go together, but are not those that this erasure would compute. */
    @Test
    void shardsOfAnotherErasureAreRefused() throws IOException {
        captured(true, (model, ledger) -> {
            FactorShards all = factors(model, ledger, model.sites("all"));
            Path parts = folder.resolve("parts");
            all.write(1, 1, parts, "m", "here");
            String file = Parts.file(parts, 1, 1, FactorShards.ENDING) + " was computed with ";
            refused(file + "the weights of another model than this erasure asks for: m, not n; compute all shards again by this erasure's"
                    + " own options", () -> all.read(parts, "n"));
            FactorShards sites = factors(model, ledger, model.sites("block:0"));
            String others = assertThrows(BadInputException.class, () -> sites.read(parts, "m")).getMessage();
            assertTrue(others.startsWith(file + "other sites than"), others);
            Destruction.destroy(folder.resolve("ledger-true"), Set.of(RecordKey.of("r3")));
            try (GradientLedger now = GradientLedger.open(folder.resolve("ledger-true"))) {
                List<Entry> live = now.entries().stream().filter(entry -> !entry.destroyed()).toList();
                String message = assertThrows(BadInputException.class,
                        () -> new FactorShards(model, now, live, all.sites(), 5).read(parts, "m")).getMessage();
                assertTrue(message.startsWith(file + "other entries of the ledger (the records to erase, contrast_sample and seed draw"
                        + " them) than this erasure asks for: "), message);
            }
        });
    }
}
