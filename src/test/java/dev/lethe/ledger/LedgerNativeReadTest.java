package dev.lethe.ledger;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.DamagedDataException;
import dev.lethe.engine.Batch;
import dev.lethe.engine.CaptureRing.Capture;
import dev.lethe.engine.CapturedEntries;
import dev.lethe.engine.Engine;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.MappedFile;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.ParameterVector;
import dev.lethe.ledger.Entry.EntryHeader;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Native code reads a ledger's mapping: closing it meanwhile waits, and a file that was cut is damage, not a fault. */
@ExtendWith(NoLeaks.class)
class LedgerNativeReadTest {
    private static final ModelShape SHAPE = new ModelShape(50, 32, 64, 2, 2, 256, 1e-5, true);
    private static final int TOKENS = 32;
    private static final long SCRATCH_BYTES = 1 << 20;

    @TempDir
    Path folder;

    /** A ledger of captured records; the model that they are of belongs to the caller's thread. */
    private void capture(LanguageModel model, int records) {
        EntryFormat format = new EntryFormat(model.sites("all"), 0, Dtype.F32, 0);
        try (LedgerWriter writer = LedgerWriter.create(folder.resolve("ledger"),
                LedgerManifest.of("0123", SHAPE, format.sites().names(), 0, Dtype.F32))) {
            for (int i = 0; i < records; i++) {
                int shift = i;
                int[] tokens = IntStream.range(0, TOKENS).map(t -> (t * 7 + shift) % 50).toArray();
                int[] targets = IntStream.range(0, TOKENS).map(t -> (t * 5 + shift) % 50).toArray();
                MemorySegment room = writer.reserve(new EntryHeader(RecordKey.of("r" + i), 0, 1, 1e-3, 1, TOKENS, TOKENS),
                        model.entries().bytes(format, TOKENS, TOKENS));
                model.gradient(Batch.of(List.of(tokens), List.of(targets)), false, new Capture(format, List.of(room)));
                writer.commit();
            }
        }
    }

    private static List<MemorySegment> payloads(GradientLedger ledger) {
        List<MemorySegment> payloads = new ArrayList<>();
        ledger.entries().forEach(entry -> payloads.add(ledger.payload(entry)));
        return payloads;
    }

    @Test
    void closingWaitsForANativeCallThatReads() throws Exception {
        CompletableFuture<GradientLedger> opened = new CompletableFuture<>();
        CompletableFuture<Integer> calls = CompletableFuture.supplyAsync(() -> {
            try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(SHAPE, Dtype.F32)) {
                model.initialize(1);
                capture(model, 150);
                GradientLedger ledger = GradientLedger.open(folder.resolve("ledger"));
                List<MemorySegment> payloads = payloads(ledger);
                double[] before = model.entries().gram(ledger.format(model), payloads, null, SCRATCH_BYTES);
                opened.complete(ledger);
                for (int done = 0; ; done++) {
                    double[] meanwhile;
                    try {
                        meanwhile = model.entries().gram(ledger.format(model), payloads, null, SCRATCH_BYTES);
                    } catch (IllegalStateException closed) {
                        return done;
                    }
                    assertArrayEquals(before, meanwhile);
                }
            } catch (Throwable e) {
                opened.completeExceptionally(e);
                throw e;
            }
        }, task -> Thread.ofPlatform().start(task));
        GradientLedger ledger = opened.get();
        Thread.sleep(30); // the other thread is in native code nearly all the time
        ledger.close();
        assertTrue(calls.get() >= 0);
        ledger.close();
    }

    @Test
    void aSegmentCutShortWhileItIsReadIsDamage() throws IOException {
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(SHAPE, Dtype.F32);
                ParameterVector vector = model.vector()) {
            model.initialize(1);
            capture(model, 3);
            CapturedEntries entries = model.entries();
            Path segment = folder.resolve("ledger").resolve(LedgerFolder.segmentName(0));
            try (GradientLedger ledger = GradientLedger.open(folder.resolve("ledger"))) {
                EntryFormat format = ledger.format(model);
                List<MemorySegment> payloads = payloads(ledger);
                long whole = Files.size(segment);
                cut(segment, 4096);
                String message = segment + ": was cut to 4096 bytes while it was in use, it had " + whole
                        + "; bring it back whole";
                for (Executable call : List.<Executable>of(
                        () -> entries.gram(format, payloads, null, SCRATCH_BYTES),
                        () -> entries.accumulate(format, payloads, new double[3], null, vector),
                        () -> entries.dot(format, payloads, null, vector),
                        () -> entries.squaredNorms(format, payloads, null),
                        () -> entries.cross(format, payloads.subList(0, 1), null, format, payloads.subList(1, 3)),
                        () -> CapturedEntries.describe(payloads.getLast()),
                        () -> CapturedEntries.tokens(payloads.getLast()),
                        () -> ledger.payload(ledger.entries().getLast()))) {
                    assertEquals(message, assertThrows(DamagedDataException.class, call).getMessage());
                }
            }
        }
    }

    @Test
    void anyMappedFileCutShortIsDamage() throws IOException {
        Path path = Files.write(folder.resolve("numbers"), new byte[1 << 20]);
        try (MappedFile file = MappedFile.open(path)) {
            assertEquals(-1, file.firstNotFinite(0, 1 << 18, Dtype.F32));
            cut(path, 10);
            assertThrows(DamagedDataException.class, () -> file.firstNotFinite(0, 1 << 18, Dtype.F32));
            assertThrows(DamagedDataException.class, () -> file.bytes(1 << 19, 100));
            Files.delete(path);
            Files.write(path, new byte[10]); // another file of that name says nothing of the one that is mapped
            Path other = Files.write(folder.resolve("other"), new byte[1 << 20]);
            try (MappedFile mapped = MappedFile.open(other)) {
                Files.move(other, folder.resolve("moved"));
                Files.write(other, new byte[10]);
                assertEquals(0, mapped.bytes(1 << 19, 1)[0]);
            }
        }
    }

    private static void cut(Path file, long bytes) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(bytes);
        }
    }
}
