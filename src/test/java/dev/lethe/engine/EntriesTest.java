package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.shape.Dtype;
import dev.lethe.shape.Site;
import dev.lethe.shape.SiteSet;
import dev.lethe.shape.Tolerance;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.CsvSource;

/** Captured entries against dense per-record gradients: accumulate, dot and gram, exact, top-k and bf16. */
@ExtendWith(NoLeaks.class)
@ParameterizedClass(name = "{0} {1}")
@CsvSource({"tied, F64", "untied, F64", "tied, F32", "untied, F32"})
class EntriesTest {
    private static final long SCRATCH_BYTES = 1 << 20;

    @Parameter(0)
    String name;
    @Parameter(1)
    Dtype dtype;

    private Golden golden;
    private Engine engine;
    private LanguageModel model;
    private Arena arena;

    @BeforeEach
    void open() {
        golden = Golden.of(name);
        engine = Engine.cpu();
        model = golden.model(engine, dtype);
        arena = Arena.ofConfined();
    }

    @AfterEach
    void close() {
        arena.close();
        model.close();
        engine.close();
    }

    @Test
    void accumulatedEntriesAreTheRecordsGradients() {
        EntryFormat format = format("all", 0, dtype);
        List<MemorySegment> entries = capture(golden.batch(), format);
        for (int b = 0; b < entries.size(); b++) {
            double[] one = new double[entries.size()];
            one[b] = 1;
            Tolerance.near("record " + b, golden.flat("record" + b, model), sum(format, entries, one, null),
                    Tolerance.parity(dtype));
        }
    }

    @Test
    void captureLeavesTheBatchGradientAndLossesAlone() {
        double[] losses = model.gradient(golden.batch());
        double[] plain = model.buffer(Buffer.GRADIENT).readDoubles(0, (int) model.flatSize());
        List<MemorySegment> entries = new ArrayList<>();
        EntryFormat format = format("all", 0, dtype);
        Batch batch = golden.batch();
        destinations(batch, format, entries);
        assertArrayEquals(losses, model.gradient(batch, false, new CaptureRing.Capture(format, entries)));
        assertArrayEquals(plain, model.buffer(Buffer.GRADIENT).readDoubles(0, (int) model.flatSize()));
    }

    @Test
    void coefficientsWeighTheSum() {
        EntryFormat format = format("all", 0, dtype);
        List<MemorySegment> entries = capture(golden.batch(), format);
        double[] coefficients = {0.5, -2, 0, 3};
        double[] expected = new double[(int) model.flatSize()];
        for (int b = 0; b < coefficients.length; b++) {
            double[] gradient = golden.flat("record" + b, model);
            for (int i = 0; i < expected.length; i++) {
                expected[i] += coefficients[b] * gradient[i];
            }
        }
        Tolerance.near("sum", expected, sum(format, entries, coefficients, null), Tolerance.parity(dtype));
    }

    @Test
    void selectedSitesAlone() {
        EntryFormat format = format("all", 0, dtype);
        List<MemorySegment> entries = capture(golden.batch(), format);
        SiteSet mlp = model.sites("mlp");
        double[] actual = sum(format, entries, new double[] {1, 0, 0, 0}, mlp);
        double[] whole = golden.flat("record0", model);
        double[] expected = new double[whole.length];
        for (ModelLayout.TensorInfo tensor : model.tensors()) {
            if (mlp.contains(tensor.site())) {
                System.arraycopy(whole, (int) tensor.offset(), expected, (int) tensor.offset(), (int) tensor.count());
            }
        }
        Tolerance.near("mlp", expected, actual, Tolerance.parity(dtype));
    }

    @Test
    void aFormatHoldsOnlyItsSites() {
        EntryFormat embedding = format("embedding", 0, dtype);
        List<MemorySegment> entries = capture(golden.batch(), embedding);
        double[] actual = sum(embedding, entries, new double[] {0, 1, 0, 0}, null);
        ModelLayout.TensorInfo wte = model.tensors().getFirst();
        Tolerance.near("wte", golden.array("record1/wte.weight"), Golden.slice(actual, wte), Tolerance.parity(dtype));
        long whole = model.entries().bytes(format("all", 0, dtype), 7, 4);
        assertTrue(model.entries().bytes(embedding, 7, 4) < whole, "smaller than the whole");
        assertEquals(0, whole % 64);
    }

    @Test
    void dotIsTheDenseProductSiteBySite() {
        EntryFormat format = format("all", 0, dtype);
        List<MemorySegment> entries = capture(golden.batch(), format);
        double[] direction = golden.flat("gradient", model);
        try (ParameterVector vector = model.vector()) {
            vector.writeDoubles(0, direction);
            double[][] products = model.entries().dot(format, entries, null, vector);
            for (int b = 0; b < entries.size(); b++) {
                double[] expected = densePerSite(golden.flat("record" + b, model), direction);
                Tolerance.near("record " + b, expected, foldTiedHead(products[b]), limit());
            }
            double[][] some = model.entries().dot(format, entries, model.sites("attention"), vector);
            for (Site site : model.sites()) {
                double expected = site.name().contains("attn") ? products[3][site.index()] : 0;
                assertEquals(expected, some[3][site.index()], Math.abs(expected) * limit(), site.name());
            }
        }
    }

    @Test
    void gramIsTheDenseProductOfEveryPair() {
        for (String selector : List.of("all", "embedding", "wte", "head", "mlp,wpe", "ln_f,h.0.ln_1")) {
            EntryFormat format = format("all", 0, dtype);
            List<MemorySegment> entries = capture(golden.batch(), format);
            SiteSet selected = model.sites(selector);
            double[][] dense = new double[entries.size()][];
            for (int b = 0; b < dense.length; b++) {
                double[] one = new double[dense.length];
                one[b] = 1;
                dense[b] = sum(format, entries, one, selected);
            }
            double[] expected = new double[dense.length * dense.length];
            for (int i = 0; i < expected.length; i++) {
                expected[i] = dot(dense[i / dense.length], dense[i % dense.length]);
            }
            Tolerance.near(selector, expected, model.entries().gram(format, entries, selected, SCRATCH_BYTES), limit());
        }
    }

    @Test
    void noEntryAndOneEntry() {
        EntryFormat format = format("all", 0, dtype);
        List<MemorySegment> none = List.of();
        assertEquals(0, model.entries().gram(format, none, null, SCRATCH_BYTES).length);
        List<MemorySegment> one = capture(golden.record(0), format);
        double[] gradient = golden.flat("record0", model);
        Tolerance.near("squared norm", new double[] {dot(gradient, gradient)},
                model.entries().gram(format, one, null, SCRATCH_BYTES), Tolerance.parity(dtype));
        try (ParameterVector vector = model.vector()) {
            model.entries().accumulate(format, none, new double[0], null, vector);
            assertEquals(0, vector.norm());
            assertEquals(0, model.entries().dot(format, none, null, vector).length);
        }
    }

    @Test
    void topKOfTheWholeVocabularyIsExactAndFewerDropAShare() {
        Batch batch = golden.batch();
        EntryFormat exact = format("embedding", 0, dtype);
        double[] expected = sum(exact, capture(batch, exact), new double[] {1, 0, 0, 0}, null);
        int vocabulary = (int) golden.shape().vocabulary();
        EntryFormat whole = format("embedding", vocabulary, dtype);
        List<MemorySegment> entries = capture(batch, whole);
        Tolerance.near("top V", expected, sum(whole, entries, new double[] {1, 0, 0, 0}, null), limit());
        assertEquals(0, CapturedEntries.describe(entries.getFirst()).droppedShare(), 1e-12);
        EntryFormat few = format("embedding", 4, dtype);
        List<MemorySegment> small = capture(batch, few);
        EntryFormat.EntryInfo info = CapturedEntries.describe(small.getFirst());
        assertEquals(4, info.headTopK());
        assertTrue(info.droppedShare() > 0 && info.droppedShare() < 0.5, "dropped " + info.droppedShare());
        double error = Tolerance.relative(expected, sum(few, small, new double[] {1, 0, 0, 0}, null));
        assertTrue(error > 0 && error < 1, "relative error of top 4 is " + error);
    }

    @Test
    void bf16Factors() {
        EntryFormat format = format("all", 0, Dtype.BF16);
        List<MemorySegment> entries = capture(golden.batch(), format);
        assertEquals(Dtype.BF16, CapturedEntries.describe(entries.getFirst()).dtype());
        Tolerance.near("bf16", golden.flat("record0", model), sum(format, entries, new double[] {1, 0, 0, 0}, null),
                Tolerance.FACTORS_BF16);
    }

    @Test
    void entriesDescribeThemselves() {
        List<MemorySegment> entries = capture(golden.batch(), format("all", 0, dtype));
        for (int b = 0; b < entries.size(); b++) {
            int[] tokens = golden.arrays("tokens").get(b);
            int[] targets = golden.arrays("targets").get(b);
            assertEquals(new EntryFormat.EntryInfo(tokens.length, golden.record(b).targetCount(0), 0, 0, dtype, 0, 0),
                    CapturedEntries.describe(entries.get(b)));
            assertArrayEquals(new int[][] {tokens, targets}, CapturedEntries.tokens(entries.get(b)));
        }
    }

    private double limit() {
        return dtype == Dtype.F64 ? Tolerance.PARITY_F64 : Tolerance.FACTORED_F32;
    }

    private EntryFormat format(String sites, int topK, Dtype stored) {
        return new EntryFormat(model.sites(sites), topK, stored);
    }

    private List<MemorySegment> capture(Batch batch, EntryFormat format) {
        List<MemorySegment> entries = new ArrayList<>();
        destinations(batch, format, entries);
        model.gradient(batch, false, new CaptureRing.Capture(format, entries));
        return entries;
    }

    private void destinations(Batch batch, EntryFormat format, List<MemorySegment> entries) {
        long[] offsets = batch.offsets();
        for (int b = 0; b < batch.records(); b++) {
            int tokens = (int) (offsets[b + 1] - offsets[b]);
            entries.add(arena.allocate(model.entries().bytes(format, tokens, batch.targetCount(b)), Memory.ENTRY_ALIGNMENT));
        }
    }

    private double[] sum(EntryFormat format, List<MemorySegment> entries, double[] coefficients, SiteSet selected) {
        try (ParameterVector vector = model.vector()) {
            model.entries().accumulate(format, entries, coefficients, selected, vector);
            return vector.readDoubles(0, (int) model.flatSize());
        }
    }

    private double[] densePerSite(double[] a, double[] b) {
        double[] products = new double[model.sites().size()];
        for (ModelLayout.TensorInfo tensor : model.tensors()) {
            products[tensor.site()] += dot(Golden.slice(a, tensor), Golden.slice(b, tensor));
        }
        return products;
    }

    /** The two parts of a tied table's product as one number at wte. */
    private double[] foldTiedHead(double[] products) {
        double[] folded = products.clone();
        if (golden.shape().tiedHead()) {
            folded[0] += folded[folded.length - 1];
            folded[folded.length - 1] = 0;
        }
        return folded;
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
