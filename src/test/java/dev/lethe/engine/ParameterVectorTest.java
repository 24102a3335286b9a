package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.SiteSet;
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

    private ParameterVector random(long seed) {
        ParameterVector vector = model.vector();
        vector.random(ParameterVector.Distribution.NORMAL, seed);
        return vector;
    }
}
