package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.KroneckerFactors.Fisher;
import dev.lethe.shape.Block;
import dev.lethe.shape.Block.Activation;
import dev.lethe.shape.Block.Family;
import dev.lethe.shape.Block.Option;
import dev.lethe.shape.Block.Rotary;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.SiteSet;
import dev.lethe.shape.Tolerance;
import dev.lethe.testing.Families;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** Entries of every family beside dense gradients of single records, in fp64; another block's files are refused. */
@ExtendWith(NoLeaks.class)
@ParameterizedClass(name = "{0}")
@ValueSource(strings = {"llama", "qwen2", "qwen3", "pythia", "sequential"})
class FamilyEntriesTest {
    private static final int VOCABULARY = 13;
    private static final List<int[]> TOKENS = List.of(new int[] {1, 2, 3, 4, 5, 6, 7}, new int[] {8, 9},
            new int[] {12, 0, 12, 0, 1});
    private static final Batch BATCH = batch(TOKENS);

    @TempDir
    Path folder;
    @Parameter(0)
    String name;

    private Engine engine;
    private LanguageModel model;
    private Arena arena;
    private double[][] dense;

    @BeforeEach
    void open() {
        engine = Engine.cpu();
        model = model(Families.of(name, VOCABULARY, 8), Dtype.F64);
        arena = Arena.ofConfined();
        dense = new double[TOKENS.size()][];
        for (int b = 0; b < dense.length; b++) {
            model.gradient(batch(List.of(TOKENS.get(b))));
            dense[b] = model.buffer(Buffer.GRADIENT).readDoubles(0, (int) model.flatSize());
        }
    }

    @AfterEach
    void close() {
        arena.close();
        model.close();
        engine.close();
    }

    /** Weights with no zero and no one among them, biases and norms too. */
    private LanguageModel model(ModelShape shape, Dtype dtype) {
        LanguageModel fresh = engine.model(shape, dtype);
        fresh.initialize(1);
        try (ParameterVector noise = fresh.vector()) {
            noise.random(ParameterVector.Distribution.NORMAL, 2);
            fresh.buffer(Buffer.PARAMETERS).axpy(0.2, noise);
        }
        return fresh;
    }

    private static Batch batch(List<int[]> tokens) {
        return Batch.of(tokens, tokens.stream().map(ids -> Batch.shift(ids, 1)).toList());
    }

    private List<MemorySegment> capture(EntryFormat format) {
        List<MemorySegment> entries = new ArrayList<>();
        for (int b = 0; b < BATCH.records(); b++) {
            entries.add(arena.allocate(model.entries().bytes(format, TOKENS.get(b).length, BATCH.targetCount(b)),
                    Memory.ENTRY_ALIGNMENT));
        }
        model.gradient(BATCH, false, new CaptureRing.Capture(format, entries));
        return entries;
    }

    private double[] one(EntryFormat format, List<MemorySegment> entries, int record, SiteSet sites) {
        double[] coefficients = new double[entries.size()];
        coefficients[record] = 1;
        try (ParameterVector sum = model.vector()) {
            model.entries().accumulate(format, entries, coefficients, sites, sum);
            return sum.readDoubles(0, (int) model.flatSize());
        }
    }

    @Test
    void entriesAreTheRecordsGradients() {
        EntryFormat exact = new EntryFormat(model.sites("all"), 0, Dtype.F64);
        List<MemorySegment> entries = capture(exact);
        EntryFormat whole = new EntryFormat(model.sites("all"), VOCABULARY, Dtype.F64, 7);
        List<MemorySegment> ranked = capture(whole);
        EntryFormat narrow = new EntryFormat(model.sites("all"), 0, Dtype.BF16);
        List<MemorySegment> rounded = capture(narrow);
        double[][] norms = model.entries().squaredNorms(exact, entries, null);
        double[] gram = model.entries().gram(exact, entries, null, 1 << 20);
        for (int b = 0; b < dense.length; b++) {
            Tolerance.near("record " + b, dense[b], one(exact, entries, b, null), Tolerance.PARITY_F64);
            Tolerance.near("top V and all rows of " + b, dense[b], one(whole, ranked, b, null), Tolerance.PARITY_F64);
            Tolerance.near("bf16 of " + b, dense[b], one(narrow, rounded, b, null), Tolerance.FACTORS_BF16);
            double[] expected = new double[dense.length];
            for (int other = 0; other < dense.length; other++) {
                expected[other] = dot(dense[b], dense[other]);
            }
            double size = dot(dense[b], dense[b]);
            double[][][] crossed = model.entries().cross(exact, entries, null, exact, entries.subList(b, b + 1));
            for (int other = 0; other < dense.length; other++) {
                assertEquals(expected[other], gram[b * dense.length + other], 1e-9 * size, "gram");
                assertEquals(expected[other], sum(crossed[0][other]), 1e-9 * size, "cross");
            }
            assertEquals(size, sum(norms[b]), 1e-9 * size, "squared norm");
        }
    }

    /** Every site's product with a vector, and that a selection counts its own sites and no others. */
    @Test
    void productsAreDenseSiteBySite() {
        EntryFormat format = new EntryFormat(model.sites("all"), 0, Dtype.F64);
        List<MemorySegment> entries = capture(format);
        try (ParameterVector vector = model.vector()) {
            vector.random(ParameterVector.Distribution.NORMAL, 3);
            double[] direction = vector.readDoubles(0, (int) model.flatSize());
            double[][] products = model.entries().dot(format, entries, null, vector);
            int last = model.sites().size() - 1;
            for (int b = 0; b < dense.length; b++) {
                double[] folded = products[b].clone();
                if (model.shape().tiedHead()) {
                    folded[0] += folded[last];
                    folded[last] = 0;
                }
                double[] expected = new double[folded.length];
                for (ModelLayout.TensorInfo tensor : model.tensors()) {
                    expected[tensor.site()] += dot(Golden.slice(dense[b], tensor), Golden.slice(direction, tensor));
                }
                for (int s = 0; s < expected.length; s++) {
                    assertEquals(expected[s], folded[s], 1e-9 * vector.norm(), model.sites().get(s).name());
                }
            }
            for (String selector : List.of("attention", "mlp", "block:1", "mlp-output", "head")) {
                SiteSet chosen = model.sites(selector);
                double[] some = model.entries().dot(format, entries, chosen, vector)[2];
                for (int s = 0; s < some.length; s++) {
                    assertEquals(chosen.contains(s) ? products[2][s] : 0, some[s], 1e-9 * vector.norm(), selector);
                }
            }
        }
    }

    @Test
    void filesOfAnotherBlockAreRefused() throws IOException {
        Path file = folder.resolve("factors.bin");
        try (KroneckerFactors factors = model.factors(new KroneckerFactors.Spec(model.sites("mlp"), Fisher.EMPIRICAL, 0))) {
            factors.accumulate(BATCH);
            factors.decompose();
            factors.save(file, "aa");
            for (ModelShape other : others(model.shape())) {
                try (LanguageModel foreign = engine.model(other, Dtype.F64)) {
                    assertTrue(assertThrows(BadInputException.class, () -> foreign.loadFactors(file, "aa"), other.toString()).getMessage()
                            .contains(model.shape().block().toString()));
                }
            }
            try (KroneckerFactors again = model.loadFactors(file, "aa")) {
                assertEquals(factors.records(), again.records());
            }
        }
    }

    /** A version that knew GPT-2 alone wrote neither heads nor epsilon nor block: such a line is of no other family. */
    @Test
    void linesOfEarlierVersionsAreGpt2s() {
        ModelShape shape = model.shape();
        ModelShape gpt2 = Families.with(shape, Block.GPT2);
        String line = "V=13 context=8 C=16 L=2 inner=" + shape.inner() + (shape.tiedHead() ? " tied" : " untied");
        assertTrue(new VectorSpace(null, null, gpt2, Dtype.F64, null).isDescribedBy(line));
        assertEquals(false, new VectorSpace(null, null, shape, Dtype.F64, null).isDescribedBy(line));
    }

    /** The same tensors, other arithmetic; and another activation of the same GPT-2. */
    private static List<ModelShape> others(ModelShape shape) {
        Block block = shape.block();
        Rotary rotary = block.rotary();
        List<ModelShape> others = new ArrayList<>();
        others.add(Families.with(shape, new Block(block.family(), block.activation(), block.kvHeads(), block.headSize(),
                Rotary.plain(rotary.size(), 500), block.options())));
        others.add(Families.with(shape, new Block(block.family(), block.activation(), block.kvHeads(), block.headSize(),
                new Rotary(rotary.size(), rotary.base(), Rotary.Scaling.LINEAR, 2, 0, 0, 0), block.options())));
        others.add(Families.with(shape, new Block(block.family(), Activation.RELU, block.kvHeads(), block.headSize(),
                rotary,
                block.options())));
        others.add(Families.with(shape, Block.GPT2));
        if (block.family() == Family.GPT_NEOX) {
            Set<Option> turned = block.options().contains(Option.PARALLEL) ? Set.of() : Set.of(Option.PARALLEL);
            others.add(Families.with(shape, new Block(block.family(), block.activation(), 0, 0, rotary, turned)));
        }
        return others;
    }

    private static double sum(double[] values) {
        return java.util.Arrays.stream(values).sum();
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
