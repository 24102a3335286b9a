package dev.lethe.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.AdamW;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.CaptureRing.Capture;
import dev.lethe.engine.Curvature;
import dev.lethe.engine.Curvature.Matrix;
import dev.lethe.engine.Engine;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.Generation;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.ParameterVector;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.Site;
import dev.lethe.shape.Tolerance;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.CsvSource;

/** Every pass of an adapter over its mapped base, fp32 or bf16, against peft in fp64. */
@ExtendWith(NoLeaks.class)
@ParameterizedClass(name = "{0} {1}")
@CsvSource({"gpt2, F64", "llama-qv, F64", "llama-all, F64", "qwen2, F64", "neox, F64", "gpt2, F32", "llama-qv, F32",
    "llama-all, F32", "qwen2, F32", "neox, F32"})
class AdapterParityTest {
    private static final int RECORDS = 2;

    @Parameter(0)
    String name;
    @Parameter(1)
    Dtype dtype;
    @TempDir
    Path folder;

    private AdapterGolden golden;
    private Engine engine;
    private LanguageModel model;

    @BeforeEach
    void open() {
        golden = new AdapterGolden(name);
        engine = Engine.cpu();
        model = Checkpoint.load(engine, golden.adapter(), dtype);
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    /** The adapters are all that is trained: two tensors a module, as peft has them. */
    @Test
    void layoutIsTheAdapters() {
        List<String> names = new ArrayList<>();
        model.shape().adapters().forEach(one -> names.addAll(List.of(one.module() + ".lora_A.weight", one.module() + ".lora_B.weight")));
        assertEquals(names, model.tensors().stream().map(TensorInfo::name).toList());
        assertEquals(model.parameters(), model.tensors().stream().mapToLong(TensorInfo::count).sum());
        near("parameters", golden.flat("adapter", model), flat(Buffer.PARAMETERS));
        for (Site site : model.sites()) {
            assertEquals(site.frozen(), model.tensors().stream().noneMatch(tensor -> tensor.site() == site.index()), site.name());
        }
    }

    @Test
    void logitsAndLosses() {
        near("logits", golden.array("logits"), model.logits(golden.batch()));
        near("losses", golden.array("losses"), model.losses(golden.batch()));
    }

    @Test
    void gradients() {
        near("losses", golden.array("losses"), model.gradient(golden.batch()));
        nearEveryTensor("gradient", flat(Buffer.GRADIENT));
        for (int b = 0; b < RECORDS; b++) {
            model.gradient(golden.record(b));
            nearEveryTensor("record" + b, flat(Buffer.GRADIENT));
        }
    }

    @Test
    void products() {
        try (ParameterVector direction = model.vector(); ParameterVector product = model.vector()) {
            direction.writeDoubles(0, golden.flat("direction", model));
            for (Matrix matrix : Matrix.values()) {
                model.curvature(golden.batch(), Curvature.product(matrix, direction, product));
                nearEveryTensor(matrix == Matrix.HESSIAN ? "hessian" : "gauss_newton",
                        product.readDoubles(0, (int) model.flatSize()));
            }
        }
    }

    @Test
    void entriesAreTheRecordsGradients() {
        Batch batch = golden.batch();
        EntryFormat format = new EntryFormat(model.sites("all"), 0, dtype);
        try (Arena arena = Arena.ofConfined(); ParameterVector sum = model.vector()) {
            List<MemorySegment> entries = new ArrayList<>();
            for (int b = 0; b < batch.records(); b++) {
                int tokens = (int) (batch.offsets()[b + 1] - batch.offsets()[b]);
                entries.add(arena.allocate(model.entries().bytes(format, tokens, batch.targetCount(b)), 64));
            }
            model.gradient(batch, false, new Capture(format, entries));
            for (int b = 0; b < RECORDS; b++) {
                double[] coefficients = new double[entries.size()];
                coefficients[b] = 1;
                sum.scale(0);
                model.entries().accumulate(format, entries, coefficients, null, sum);
                nearEveryTensor("record" + b, sum.readDoubles(0, (int) model.flatSize()));
                double[] norms = model.entries().squaredNorms(format, entries, null)[b];
                near("norm", new double[] {sum.dot(sum)}, new double[] {java.util.Arrays.stream(norms).sum()});
            }
        }
    }

    @Test
    void threeAdamWSteps() {
        double[] options = golden.line("adamw"), norms = golden.line("norms").clone();
        for (int i = 0; i < norms.length; i++) {
            model.gradient(golden.batch());
            norms[i] = model.step(new AdamW(options[0], options[1], options[2], options[3], options[4], options[5]), i + 1);
        }
        near("norms", golden.line("norms"), norms);
        near("parameters", golden.flat("adamw", model), flat(Buffer.PARAMETERS));
    }

    @Test
    void greedyGeneration() {
        int[] continuation = golden.ids("continuation");
        assertArrayEquals(continuation, model.generate(List.of(golden.ids("prompt")), Generation.greedy(continuation.length))[0]);
    }

    /** A model of zeros on the same base is the base. */
    @Test
    void withoutAdaptersItIsTheBase() {
        try (LanguageModel without = engine.like(model); LanguageModel base = Checkpoint.load(engine, golden.base(), dtype)) {
            near("base", base.logits(golden.batch()), without.logits(golden.batch()));
            assertTrue(Tolerance.relative(base.logits(golden.batch()), model.logits(golden.batch())) > 0.01, "it does something");
        }
    }

    @Test
    void mergedItIsOneModel() {
        Checkpoint.merge(model, Checkpoint.config(golden.adapter()), folder.resolve("merged"), null, Dtype.F32);
        try (LanguageModel merged = Checkpoint.load(engine, folder.resolve("merged"), dtype)) {
            Tolerance.near("logits", golden.array("logits"), merged.logits(golden.batch()), Tolerance.PARITY_F32);
            for (TensorInfo info : merged.tensors()) {
                String module = info.name().replaceFirst("\\.weight$", "");
                boolean adapted = model.shape().adapters().stream().anyMatch(one -> one.module().equals(module));
                double[] expected = golden.array((adapted ? "merged/" : "weights/") + info.name());
                double[] actual = merged.buffer(Buffer.PARAMETERS).readDoubles(info.offset(), (int) info.count());
                Tolerance.near(info.name(), expected, actual, adapted ? 1e-6 : 0);
            }
        }
    }

    private void nearEveryTensor(String group, double[] actual) {
        near(group, golden.flat(group, model), actual);
        for (TensorInfo tensor : model.tensors()) {
            double[] part = new double[(int) tensor.count()];
            System.arraycopy(actual, (int) tensor.offset(), part, 0, part.length);
            near(group + " " + tensor.name(), golden.array(group + "/" + tensor.name()), part);
        }
    }

    private double[] flat(Buffer buffer) {
        return model.buffer(buffer).readDoubles(0, (int) model.flatSize());
    }

    private void near(String what, double[] expected, double[] actual) {
        Tolerance.near(what, expected, actual, Tolerance.parity(dtype));
    }
}
