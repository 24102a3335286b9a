package dev.lethe.ledger;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Batch;
import dev.lethe.engine.CaptureRing.Capture;
import dev.lethe.engine.Engine;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** The estimate before training is the size on the disk after it, and its advice shrinks. */
@ExtendWith(NoLeaks.class)
class LedgerEstimateTest {
    private static final ModelShape SHAPE = new ModelShape(600, 16, 8, 2, 2, 32, 1e-5, true);

    @TempDir
    Path folder;

    @Test
    void theEstimateIsWhatACaptureTakes() {
        int[][] records = {{1, 2, 3, 4, 5}, {7, 8}, {9, 10, 11}};
        int[] tokens = {4, 1, 2};
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(SHAPE, Dtype.F32)) {
            model.initialize(1);
            EntryFormat format = new EntryFormat(model.sites("all"), 0, Dtype.F32);
            LedgerEstimate estimate = LedgerEstimate.of(model, format, tokens, tokens, 2);
            try (LedgerWriter writer = LedgerWriter.create(folder,
                    LedgerManifest.of("hash", SHAPE, format.sites().names(), 0, Dtype.F32))) {
                for (int epoch = 0; epoch < 2; epoch++) {
                    List<MemorySegment> room = new ArrayList<>();
                    for (int i = 0; i < records.length; i++) {
                        Entry.EntryHeader header =
                                new Entry.EntryHeader(Entry.RecordKey.of("r" + i), epoch, epoch, 1, 1, tokens[i], tokens[i]);
                        room.add(writer.reserve(header, model.entries().bytes(format, tokens[i], tokens[i])));
                    }
                    model.gradient(batch(records), false, new Capture(format, room));
                    writer.commit();
                }
            }
            try (GradientLedger ledger = GradientLedger.open(folder)) {
                assertEquals(estimate.bytes(), ledger.bytes());
                assertEquals(format, ledger.format(model));
            }
            List<String> advice = estimate.smaller().stream().map(LedgerEstimate.Alternative::option).toList();
            assertTrue(advice.containsAll(List.of("ledger_dtype=bf16", "head_top_k=256", "capture=last")),
                    advice.toString());
            for (LedgerEstimate.Alternative smaller : estimate.smaller())
                assertTrue(smaller.bytes() < estimate.bytes(), smaller.toString());
        }
    }

    /** docs/ledger.md's table: every site selection, head policy, dtype and rank, against entries that were captured. */
    @Test
    void everyFormatTakesWhatItIsEstimatedToTake() {
        int[][] records = {{1, 2, 3, 4, 5, 6, 7}, {7, 8}, {9, 10, 11, 12}};
        int[] tokens = {6, 1, 3};
        int number = 0;
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(SHAPE, Dtype.F32)) {
            model.initialize(1);
            for (String sites : List.of("embedding-input", "embedding", "attention", "mlp", "block:1", "all"))
                for (int topK : new int[] {0, 256})
                    for (Dtype dtype : List.of(Dtype.F32, Dtype.BF16))
                        for (int rank : new int[] {0, 2}) {
                            EntryFormat format = new EntryFormat(model.sites(sites), topK, dtype, rank);
                            Path where = folder.resolve("ledger-" + number++);
                            capture(model, format, where, records, tokens);
                            try (GradientLedger ledger = GradientLedger.open(where)) {
                                assertEquals(LedgerEstimate.of(model, format, tokens, tokens, 1).bytes(), ledger.bytes(),
                                        format.toString());
                            }
                        }
        }
    }

    private static void capture(LanguageModel model, EntryFormat format, Path where, int[][] records, int[] tokens) {
        LedgerManifest manifest = LedgerManifest.of("hash", SHAPE, format.sites().names(), format.headTopK(), format.dtype());
        try (LedgerWriter writer = LedgerWriter.create(where, manifest.withRank(format.rank()))) {
            List<MemorySegment> room = new ArrayList<>();
            for (int i = 0; i < records.length; i++)
                room.add(writer.reserve(new Entry.EntryHeader(Entry.RecordKey.of("r" + i), 0, 0, 1, 1, tokens[i], tokens[i]),
                        model.entries().bytes(format, tokens[i], tokens[i])));
            model.gradient(batch(records), false, new Capture(format, room));
            writer.commit();
        }
    }

    private static Batch batch(int[][] records) {
        List<int[]> inputs = new ArrayList<>();
        List<int[]> targets = new ArrayList<>();
        for (int[] record : records) {
            inputs.add(Arrays.copyOf(record, record.length - 1));
            targets.add(Arrays.copyOfRange(record, 1, record.length));
        }
        return Batch.of(inputs, targets);
    }
}
