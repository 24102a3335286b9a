package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.SiteSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Linear combinations, slices by site, random numbers and files of vectors; damaged and foreign files. */
@ExtendWith(NoLeaks.class)
class ParameterVectorTest {
    private static final ModelShape TIED = new ModelShape(13, 5, 6, 2, 1, 10, 1e-5, true); // tensors with gaps after them
    private static final ModelShape UNTIED = new ModelShape(13, 5, 6, 2, 1, 10, 1e-5, false);

    @TempDir
    Path folder;
    private Engine engine;
    private LanguageModel model;

    @BeforeEach
    void open() {
        engine = Engine.cpu();
        model = engine.model(TIED, Dtype.F64);
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    @Test
    void combinations() {
        try (ParameterVector x = random(1); ParameterVector y = random(2); ParameterVector z = y.copy()) {
            double xx = x.dot(x);
            double xy = x.dot(y);
            z.combine(0.5, -2, x);
            assertEquals(0.5 * xy - 2 * xx, z.dot(x), 1e-12 * xx);
            z.assign(x);
            assertEquals(xx, z.dot(z));
            z.axpy(-1, x);
            assertEquals(0, z.norm());
            z.writeDoubles(0, new double[] {Double.NaN});
            z.combine(0, 3, x);
            assertEquals(3 * xx, z.dot(x), 1e-12 * xx);
            try (ParameterVector zeros = x.zeros()) {
                assertEquals(0, zeros.norm());
            }
        }
    }

    @Test
    void slicesBySite() {
        for (ModelShape shape : new ModelShape[] {TIED, UNTIED}) {
            try (LanguageModel other = engine.model(shape, Dtype.F64); ParameterVector v = other.vector()) {
                v.random(ParameterVector.Distribution.NORMAL, 3);
                for (String selector : new String[] {"all", "wte", "lm_head", "mlp", "h.0.ln_1,wpe"}) {
                    SiteSet sites = other.sites(selector);
                    try (ParameterVector kept = v.copy(); ParameterVector dropped = v.copy()) {
                        kept.keep(sites);
                        dropped.scale(0, sites);
                        assertEquals(v.dot(v, sites), kept.dot(kept), 1e-12, selector);
                        assertArrayEquals(v.readDoubles(sites), kept.readDoubles(sites), selector);
                        assertEquals(0, dropped.dot(dropped, sites), selector);
                        kept.axpy(1, dropped);
                        kept.axpy(-1, v);
                        assertEquals(0, kept.norm(), selector);
                    }
                }
                int wte = (int) (shape.vocabulary() * shape.channels());
                assertEquals(wte, v.readDoubles(other.sites("lm_head")).length);
                assertEquals(shape.tiedHead() ? wte : 2 * wte, v.readDoubles(other.sites("embedding")).length);
            }
        }
    }

    @Test
    void randomVectorsRepeatThemselvesAndLeaveGaps() {
        try (ParameterVector a = random(5); ParameterVector b = random(5); ParameterVector c = random(6)) {
            assertArrayEquals(a.readDoubles(0, (int) a.size()), b.readDoubles(0, (int) b.size()));
            assertTrue(Math.abs(a.dot(c)) < 5 * Math.sqrt(model.parameters()));
            a.random(ParameterVector.Distribution.RADEMACHER, 5);
            assertEquals(model.parameters(), a.dot(a), "every parameter is +1 or -1, gaps are 0");
        }
    }

    @Test
    void filesGoThere() throws IOException {
        Path file = folder.resolve("v.bin");
        try (ParameterVector v = random(7); ParameterVector read = v.zeros()) {
            v.save(file);
            byte[] bytes = Files.readAllBytes(file);
            read.load(file);
            assertArrayEquals(v.readDoubles(0, (int) v.size()), read.readDoubles(0, (int) v.size()));
            v.save(file);
            assertArrayEquals(bytes, Files.readAllBytes(file));
            try (LanguageModel narrow = engine.model(TIED, Dtype.F32); ParameterVector rounded = narrow.vector()) {
                rounded.load(file);
                assertEquals((float) v.readDoubles(3, 1)[0], rounded.readFloats(3, 1)[0]);
            }
        }
    }

    /** Their line told neither heads nor epsilon. */
    @Test
    void filesOfEarlierVersionsAreRead() throws IOException {
        Path file = folder.resolve("old.bin");
        try (ParameterVector v = random(7); ParameterVector read = v.zeros()) {
            NumberFile.write(file, "vector V=13 context=5 C=6 L=1 inner=10 tied", Dtype.F64, v.size(), v::store);
            read.load(file);
            assertArrayEquals(v.readDoubles(0, (int) v.size()), read.readDoubles(0, (int) v.size()));
        }
    }

    /** A model's own buffers are the model, and only the model closes them. */
    @Test
    void buffersAreBorrowed() {
        Batch batch = Batch.of(List.of(new int[] {1, 2, 3}), List.of(new int[] {2, 3, 4}));
        try (LanguageModel own = engine.model(TIED, Dtype.F64)) {
            own.initialize(3);
            long handles = Engine.liveHandles();
            ParameterVector parameters = own.buffer(Buffer.PARAMETERS);
            assertSame(parameters, own.buffer(Buffer.PARAMETERS));
            assertEquals(handles, Engine.liveHandles());
            double before = own.gradient(batch)[0];
            parameters.axpy(1e-2, own.buffer(Buffer.GRADIENT));
            parameters.close();
            assertTrue(own.losses(batch)[0] > before, "ascent");
            parameters.axpy(-1e-2, own.buffer(Buffer.GRADIENT), own.sites("all"));
            assertEquals(before, own.losses(batch)[0], 1e-12);
            assertEquals(0, own.buffer(Buffer.MOMENT2).norm());
            own.close();
            assertEquals("the model is closed", assertThrows(IllegalStateException.class, parameters::norm).getMessage());
        }
    }

    @Test
    void foreignAndDamagedFilesAreRefused() throws IOException {
        Path file = folder.resolve("v.bin");
        try (ParameterVector v = random(7); LanguageModel other = engine.model(UNTIED, Dtype.F64);
                ParameterVector foreign = other.vector()) {
            v.save(file);
            BadInputException shape = assertThrows(BadInputException.class, () -> foreign.load(file));
            assertEquals(file + ": holds a vector V=13 context=5 C=6 heads=2 L=1 inner=10 epsilon=1.0E-5 tied, not a vector "
                    + "V=13 context=5 C=6 heads=2 L=1 inner=10 epsilon=1.0E-5 untied", shape.getMessage());
            ModelShape cut = new ModelShape(13, 5, 6, 3, 1, 10, 1e-5, true); // the same tensors, cut into other heads
            try (LanguageModel another = engine.model(cut, Dtype.F64); ParameterVector refusing = another.vector()) {
                assertTrue(assertThrows(BadInputException.class, () -> refusing.load(file)).getMessage()
                        .contains("not a vector V=13 context=5 C=6 heads=3"));
            }
            byte[] bytes = Files.readAllBytes(file);
            double before = v.norm();
            for (int at : new int[] {40, 200, bytes.length - 20, bytes.length - 12, bytes.length - 1}) {
                bytes[at] ^= 4;
                Files.write(file, bytes);
                assertThrows(RuntimeException.class, () -> v.load(file), "byte " + at);
                bytes[at] ^= 4;
            }
            assertEquals(before, v.norm(), "nothing was overwritten");
            for (int length : new int[] {0, 10, 28, 100, bytes.length - 1}) {
                Files.write(file, java.util.Arrays.copyOf(bytes, length));
                assertThrows(RuntimeException.class, () -> v.load(file), length + " bytes");
            }
            bytes[200] ^= 1;
            Files.write(file, bytes);
            assertEquals(file + ": its checksum is wrong, a byte was changed; make it anew",
                    assertThrows(DamagedDataException.class, () -> v.load(file)).getMessage());
        }
    }

    private ParameterVector random(long seed) {
        ParameterVector vector = model.vector();
        vector.random(ParameterVector.Distribution.NORMAL, seed);
        return vector;
    }
}
