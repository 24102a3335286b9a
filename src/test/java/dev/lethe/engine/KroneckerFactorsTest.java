package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.EngineException;
import dev.lethe.engine.KroneckerFactors.Fisher;
import dev.lethe.engine.KroneckerFactors.Stage;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.Tolerance;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** K-FAC and EK-FAC against torch's autograd and eigh (src/test/golden/kfac.py); files, foreign and damaged ones. */
@ExtendWith(NoLeaks.class)
class KroneckerFactorsTest {
    private static final String HASH = "aa11";

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

    @ParameterizedTest
    @ValueSource(strings = {"tied", "untied"})
    void inversesAreTorchs(String name) {
        Golden golden = Golden.of(name);
        Golden expected = Golden.of("kfac-" + name);
        for (Dtype dtype : new Dtype[] {Dtype.F64, Dtype.F32}) {
            try (LanguageModel model = golden.model(engine, dtype); ParameterVector v = model.vector();
                    ParameterVector out = model.vector();
                    KroneckerFactors factors = model.factors(spec(model, "all", Fisher.EMPIRICAL))) {
                v.writeDoubles(0, expected.flat("v", model));
                accumulate(factors, golden);
                assertEquals(Stage.COVARIANCE, factors.stage());
                factors.decompose();
                assertEquals(Stage.KRONECKER, factors.stage());
                assertEquals(4, factors.records());
                factors.apply(expected.number("damping"), expected.number("relative"), -1, v, out);
                near("kfac", expected, model, out);
                accumulate(factors, golden);
                assertEquals(Stage.CORRECTED, factors.stage());
                factors.apply(expected.number("damping"), expected.number("relative"), -1, v, out);
                near("ekfac", expected, model, out);
            }
        }
    }

    private static void near(String group, Golden expected, LanguageModel model, ParameterVector actual) {
        double[] all = actual.readDoubles(0, (int) actual.size());
        for (ModelLayout.TensorInfo tensor : model.tensors()) {
            Tolerance.near(group + "/" + tensor.name() + " " + model.dtype(), expected.array(group + "/" + tensor.name()),
                    Golden.slice(all, tensor), Tolerance.parity(model.dtype()));
        }
    }

    @Test
    void filesBringFactorsBack() throws IOException {
        Golden golden = Golden.of("tied");
        Path file = folder.resolve("ekfac.bin");
        try (LanguageModel model = golden.model(engine, Dtype.F32); ParameterVector v = model.vector();
                KroneckerFactors factors = model.factors(spec(model, "embedding,mlp", Fisher.SAMPLED))) {
            v.random(ParameterVector.Distribution.NORMAL, 2);
            accumulate(factors, golden);
            factors.decompose();
            accumulate(factors, golden);
            factors.save(file, HASH);
            try (KroneckerFactors read = model.loadFactors(file, HASH); ParameterVector a = model.vector();
                    ParameterVector b = model.vector()) {
                assertEquals(factors.spec(), read.spec());
                assertEquals(factors.stage(), read.stage());
                assertEquals(factors.records(), read.records());
                assertEquals(factors.elements(), read.elements());
                factors.apply(0.1, 0, -1, v, a);
                read.apply(0.1, 0, -1, v, b);
                assertArrayEquals(a.readFloats(0, (int) a.size()), b.readFloats(0, (int) b.size()));
                accumulate(factors, golden); // and the pass goes on
                accumulate(read, golden);
                assertEquals(8, read.records());
                factors.apply(0.1, 0, -1, v, a);
                read.apply(0.1, 0, -1, v, b);
                assertArrayEquals(a.readFloats(0, (int) a.size()), b.readFloats(0, (int) b.size()));
            }
        }
    }

    @Test
    void foreignAndDamagedFilesAreRefused() throws IOException {
        Golden golden = Golden.of("tied");
        Path file = folder.resolve("ekfac.bin");
        try (LanguageModel model = golden.model(engine, Dtype.F64); ParameterVector v = model.vector();
                LanguageModel other = Golden.of("untied").model(engine, Dtype.F64);
                KroneckerFactors factors = model.factors(spec(model, "wpe", Fisher.EMPIRICAL))) {
            assertTrue(assertThrows(EngineException.class, () -> factors.save(file, HASH)).getMessage()
                    .contains("not decomposed yet"));
            accumulate(factors, golden);
            factors.decompose();
            factors.save(file, HASH);
            assertEquals(file + ": factors of model aa11, this is model bb22; compute them for it",
                    assertThrows(BadInputException.class, () -> model.loadFactors(file, "bb22")).getMessage());
            assertTrue(assertThrows(BadInputException.class, () -> other.loadFactors(file, HASH)).getMessage()
                    .startsWith(file + ": factors of a model with V=37"));
            byte[] bytes = Files.readAllBytes(file);
            for (int at : new int[] {0, 10, 40, bytes.length / 2, bytes.length - 20, bytes.length - 12, bytes.length - 1}) {
                bytes[at] ^= 4;
                Files.write(file, bytes);
                assertThrows(RuntimeException.class, () -> model.loadFactors(file, HASH), "byte " + at);
                bytes[at] ^= 4;
            }
            for (int length : new int[] {0, 10, 28, 100, bytes.length - 8, bytes.length - 1}) {
                Files.write(file, Arrays.copyOf(bytes, length));
                assertThrows(RuntimeException.class, () -> model.loadFactors(file, HASH), length + " bytes");
            }
            bytes[bytes.length - 40] ^= 1;
            Files.write(file, bytes);
            assertEquals(file + ": its checksum is wrong, a byte was changed; make it anew",
                    assertThrows(DamagedDataException.class, () -> model.loadFactors(file, HASH)).getMessage());
            NumberFile.write(file, "vector", Dtype.F64, v.size(), v::store);
            assertTrue(assertThrows(BadInputException.class, () -> model.loadFactors(file, HASH)).getMessage()
                    .endsWith("not kronecker-factors"));
            assertThrows(BadInputException.class, () -> model.loadFactors(folder.resolve("absent"), HASH));
        }
    }

    @Test
    void anUndampedInverseOfASingularBlockIsRefused() {
        Golden golden = Golden.of("tied");
        try (LanguageModel model = golden.model(engine, Dtype.F64); ParameterVector v = model.vector();
                KroneckerFactors factors = model.factors(spec(model, "h.0.mlp.c_proj", Fisher.EMPIRICAL))) {
            accumulate(factors, golden);
            factors.decompose();
            String message = assertThrows(EngineException.class, () -> factors.apply(0, 0, -1, v, v)).getMessage();
            assertEquals("apply factors: the block of h.0.mlp.c_proj has a zero eigenvalue and its damping is 0, so it has"
                    + " no power -1; use a damping above 0", message);
        }
    }

    private static KroneckerFactors.Spec spec(LanguageModel model, String sites, Fisher fisher) {
        return new KroneckerFactors.Spec(model.sites(sites), fisher, 5);
    }

    /** The records in two batches. */
    private static void accumulate(KroneckerFactors factors, Golden golden) {
        factors.accumulate(Batch.of(golden.arrays("tokens").subList(0, 3), golden.arrays("targets").subList(0, 3)));
        factors.accumulate(golden.record(3));
    }
}
