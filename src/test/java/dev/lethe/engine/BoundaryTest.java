package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.EngineException;
import dev.lethe.base.EngineException.Status;
import dev.lethe.engine.CaptureRing.Capture;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.SiteSet;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** What happens at the edge of the native engine when a caller is wrong: an exception in these words, no crash. */
@ExtendWith(NoLeaks.class)
class BoundaryTest {
    private static final ModelShape TINY = new ModelShape(19, 8, 8, 2, 1, 32, 1e-5, true);

    private Engine engine;
    private LanguageModel model;
    private Arena arena;
    private final Batch batch = Batch.of(List.of(new int[] {1, 2, 3}), List.of(new int[] {2, 3, 4}));

    @BeforeEach
    void open() {
        engine = Engine.cpu();
        model = engine.model(TINY, Dtype.F32);
        model.initialize(1);
        arena = Arena.ofConfined();
    }

    @AfterEach
    void close() {
        arena.close();
        model.close();
        engine.close();
    }

    @Test
    void aCallWithoutAnArgument() {
        assertEquals(1, Engine.liveHandles());
        Engine.BuildInfo build = Engine.buildInfo();
        assertEquals(7, build.abiVersion());
        assertTrue(build.torchVersion().startsWith("2."), build.torchVersion());
        assertTrue(build.threads() >= 1);
    }

    @Test
    void closingTwiceIsFine() {
        ParameterVector vector = model.vector();
        vector.close();
        vector.close();
        model.close();
        model.close();
        model.cancel();
        engine.close();
        engine.close();
        assertEquals("the engine is closed", assertThrows(IllegalStateException.class,
                () -> engine.model(TINY, Dtype.F32)).getMessage());
    }

    @Test
    void useAfterCloseIsRefused() {
        ParameterVector vector = model.vector();
        vector.close();
        assertThrows(IllegalStateException.class, () -> vector.scale(1));
        assertThrows(IllegalStateException.class, () -> model.buffer(Buffer.PARAMETERS).axpy(1, vector));
        model.close();
        assertThrows(IllegalStateException.class, () -> model.losses(batch));
        assertThrows(IllegalStateException.class, () -> model.step(AdamW.defaults(), 1));
        assertThrows(IllegalStateException.class, () -> model.vector());
    }

    @Test
    void aVectorMayOutliveItsModel() {
        try (ParameterVector vector = model.buffer(Buffer.PARAMETERS).copy()) {
            double norm = vector.norm();
            model.close();
            vector.scale(2);
            assertEquals(2 * norm, vector.norm(), 1e-6 * norm);
        }
    }

    @Test
    void anotherThreadIsRefused() throws InterruptedException {
        assertEquals(WrongThreadException.class, thrownElsewhere(() -> model.losses(batch)).getClass());
        assertEquals(WrongThreadException.class, thrownElsewhere(() -> model.close()).getClass());
        try (ParameterVector vector = model.vector()) {
            assertEquals(WrongThreadException.class, thrownElsewhere(vector::norm).getClass());
        }
        model.losses(batch);
    }

    @Test
    void readOnlyDestinationsAreRefused() {
        MemorySegment readOnly = arena.allocate(64, 64).asReadOnly();
        refuses("read PARAMETERS: the destination is read-only",
                () -> model.buffer(Buffer.PARAMETERS).read(0, 4, Dtype.F32, readOnly));
        try (ParameterVector vector = model.vector()) {
            refuses("read vector: the destination is read-only", () -> vector.read(0, 4, Dtype.F32, readOnly));
        }
        EntryFormat format = new EntryFormat(model.sites("all"), 0, Dtype.F32);
        refuses("capture: entry 0: the destination is read-only",
                () -> model.gradient(batch, false, new Capture(format, List.of(readOnly))));
        model.buffer(Buffer.PARAMETERS).write(0, 4, Dtype.F32, readOnly);
    }

    @Test
    void segmentsThatCannotBePassedAreRefused() throws InterruptedException {
        refuses("write GRADIENT: the segment is on the Java heap; use an arena's or a mapped one",
                () -> model.buffer(Buffer.GRADIENT).write(0, 1, Dtype.F32, MemorySegment.ofArray(new float[1])));
        refuses("read GRADIENT: the segment has 15 bytes, 16 are needed",
                () -> model.buffer(Buffer.GRADIENT).read(0, 4, Dtype.F32, arena.allocate(15)));
        refuses("read GRADIENT: elements 0 to 0 + " + (model.flatSize() + 1) + " are outside the buffer of "
                + model.flatSize(), () -> model.buffer(Buffer.GRADIENT).readFloats(0, (int) model.flatSize() + 1));
        refuses("read GRADIENT: elements -1 to -1 + 2 are outside the buffer of " + model.flatSize(),
                () -> model.buffer(Buffer.GRADIENT).readFloats(-1, 2));
        AtomicReference<MemorySegment> foreign = new AtomicReference<>();
        Thread other = new Thread(() -> foreign.set(Arena.ofConfined().allocate(64, 64)));
        other.start();
        other.join();
        assertEquals("describe: entry 0: the segment is confined to another thread",
                assertThrows(WrongThreadException.class, () -> CapturedEntries.describe(foreign.get())).getMessage());
        Arena closed = Arena.ofConfined();
        MemorySegment gone = closed.allocate(64, 64);
        closed.close();
        assertEquals("describe: entry 0: the segment's arena is closed",
                assertThrows(IllegalStateException.class, () -> CapturedEntries.describe(gone)).getMessage());
    }

    @Test
    void entriesThatCannotBe() {
        EntryFormat format = new EntryFormat(model.sites("all"), 0, Dtype.F32);
        long bytes = model.entries().bytes(format, 3, 3);
        MemorySegment room = arena.allocate(bytes + 64, 64);
        refuses("capture: entry 0 is not aligned to 64 bytes",
                () -> model.gradient(batch, false, new Capture(format, List.of(room.asSlice(8, bytes)))));
        refuses("capture: 2 destinations for 1 records",
                () -> model.gradient(batch, false, new Capture(format, List.of(room, room))));
        Capture tooSmall = new Capture(format, List.of(room.asSlice(0, bytes - 64)));
        fails(Status.INVALID_ARGUMENT, "gradient: capture.capacities[0] is " + (bytes - 64) + ", the entry takes "
                + bytes + " bytes", () -> model.gradient(batch, false, tooSmall));
        assertEquals("describe: the entry does not begin with LETHEGRD", assertThrows(DamagedDataException.class,
                () -> CapturedEntries.describe(room.fill((byte) 0))).getMessage());
        try (ParameterVector vector = model.vector()) {
            refuses("accumulate: 0 coefficients for 1 entries",
                    () -> model.entries().accumulate(format, List.of(room), new double[0], null, vector));
            assertThrows(DamagedDataException.class,
                    () -> model.entries().accumulate(format, List.of(room), new double[] {1}, null, vector));
        }
    }

    @Test
    void sitesOfAnotherModelAreRefused() {
        try (LanguageModel deeper = engine.model(new ModelShape(19, 8, 8, 2, 2, 32, 1e-5, true), Dtype.F32)) {
            SiteSet foreign = deeper.sites("wte");
            refuses("the sites {wte} were selected from a model of another shape",
                    () -> model.step(AdamW.defaults(), 1, foreign));
            try (ParameterVector vector = deeper.vector()) {
                fails(Status.INVALID_ARGUMENT, "combine: the vector belongs to a model of another shape",
                        () -> model.buffer(Buffer.PARAMETERS).axpy(1, vector));
            }
        }
    }

    @Test
    void batchesTheModelCannotTake() {
        int[] nine = new int[9];
        fails(Status.INVALID_ARGUMENT, "losses: record 0 of the batch has 9 tokens, the model's context is 8",
                () -> model.losses(Batch.of(List.of(nine), List.of(nine))));
        fails(Status.INVALID_ARGUMENT, "losses: batch.tokens[0] is 19, the vocabulary is 0 to 18",
                () -> model.losses(Batch.of(List.of(new int[] {19}), List.of(new int[] {0}))));
        fails(Status.INVALID_ARGUMENT, "gradient: batch.targets[0] is -1, allowed are 0 to 18 and -100 (ignored)",
                () -> model.gradient(Batch.of(List.of(new int[] {1}), List.of(new int[] {-1}))));
        refuses("losses: the batch has no targets", () -> model.losses(Batch.prompts(List.of(nine))));
    }

    @Test
    void aGradientThatIsNotFiniteMovesNothing() {
        model.gradient(batch);
        model.buffer(Buffer.GRADIENT).writeFloats(3, new float[] {Float.NaN});
        float[] before = model.buffer(Buffer.PARAMETERS).readFloats(0, (int) model.flatSize());
        fails(Status.NOT_FINITE, "AdamW step: the gradient's norm is nan, first at wte.weight; no parameter was moved",
                () -> model.step(AdamW.defaults(), 1));
        assertArrayEquals(before, model.buffer(Buffer.PARAMETERS).readFloats(0, (int) model.flatSize()));
    }

    @Test
    void modelsThatCannotBeMade() {
        refuses("model: dtype BF16 is not supported; use F32 or F64", () -> engine.model(TINY, Dtype.BF16));
        BadInputException e = assertThrows(BadInputException.class, () -> Engine.open(Device.parse("cuda:63")));
        assertTrue(e.getMessage().startsWith("device cuda:63: "), e.getMessage());
        assertTrue(e.getMessage().contains("CUDA device"), e.getMessage());
        assertEquals("engine: threads is 1025, allowed 0 (one a core) to 1024", assertThrows(IllegalArgumentException.class,
                () -> Engine.open(Device.cpu(), Dtype.F32, 1025)).getMessage());
    }

    @Test
    void nothingBeyondTheEndIsTouched() {
        int odd = 5;
        for (Dtype dtype : Dtype.values()) {
            MemorySegment edge = GuardPage.before(arena, (long) odd * dtype.bytes());
            model.buffer(Buffer.PARAMETERS).read(3, odd, dtype, edge);
            model.buffer(Buffer.PARAMETERS).write(3, odd, dtype, edge);
        }
        EntryFormat format = new EntryFormat(model.sites("all"), 0, Dtype.F32);
        MemorySegment entry = GuardPage.before(arena, model.entries().bytes(format, 3, 3));
        model.gradient(batch, false, new Capture(format, List.of(entry)));
        try (ParameterVector vector = model.vector()) {
            model.entries().accumulate(format, List.of(entry), new double[] {1}, null, vector);
            double squared = model.entries().gram(format, List.of(entry), null, 1 << 16)[0];
            assertEquals(squared, vector.dot(vector), 1e-5 * squared);
            model.entries().dot(format, List.of(entry), null, vector);
        }
        assertArrayEquals(new int[][] {{1, 2, 3}, {2, 3, 4}}, CapturedEntries.tokens(entry));
        MemorySegment cut = GuardPage.before(arena, 64);
        MemorySegment.copy(entry, 0, cut, 0, 64);
        assertThrows(DamagedDataException.class, () -> CapturedEntries.tokens(cut));
    }

    @Test
    void eigenOfASmallMatrix() {
        double[] matrix = {2, 1, 1, 2};
        assertArrayEquals(new double[] {1, 3}, Engine.eigen(matrix, 2), 1e-12);
        assertEquals(0, matrix[0] + matrix[1], 1e-12, "the eigenvector of 1 is (1, -1)");
        refuses("eigen: 4 numbers are not a matrix of 3 x 3", () -> Engine.eigen(new double[4], 3));
    }

    private static Throwable thrownElsewhere(Runnable what) throws InterruptedException {
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        Thread thread = new Thread(() -> thrown.set(assertThrows(Throwable.class, what::run)));
        thread.start();
        thread.join();
        return thrown.get();
    }

    private static void refuses(String message, Executable what) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, what).getMessage());
    }

    private static void fails(Status status, String message, Executable what) {
        EngineException e = assertThrows(EngineException.class, what);
        assertEquals(status, e.status(), e.getMessage());
        assertEquals(message, e.getMessage());
    }
}
