package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** Whose a model is, who may close it, and what becomes of one that nobody closes. */
@ExtendWith(NoLeaks.class)
class OwnershipTest {
    private static final ModelShape TINY = new ModelShape(19, 8, 8, 2, 1, 32, 1e-5, true);

    private final Batch batch = Batch.of(List.of(new int[] {1, 2, 3}), List.of(new int[] {2, 3, 4}));
    private Engine engine;

    @BeforeEach
    void open() {
        engine = Engine.cpu();
    }

    @AfterEach
    void close() {
        engine.close();
    }

    @Test
    void twentyModelsOfDeadThreadsAreFreedAndCounted() throws InterruptedException {
        long before = Engine.abandonedHandles();
        for (int i = 0; i < 20; i++) {
            Thread thread = (i % 2 == 0 ? Thread.ofPlatform() : Thread.ofVirtual()).start(() -> {
                LanguageModel model = engine.model(TINY, Dtype.F32);
                model.initialize(1);
                model.buffer(Buffer.GRADIENT).copy().norm();
                model.factors(new KroneckerFactors.Spec(model.sites("wte"), KroneckerFactors.Fisher.EMPIRICAL, 1));
            });
            thread.join();
        }
        for (int i = 0; i < 200 && Engine.liveHandles() > 0; i++) {
            System.gc();
            Thread.sleep(50);
        }
        assertEquals(0, Engine.liveHandles());
        assertEquals(60, Engine.abandonedHandles() - before);
    }

    @Test
    void whatIsClosedOrInUseIsNotCounted() {
        long before = Engine.abandonedHandles();
        LanguageModel model = engine.model(TINY, Dtype.F32);
        System.gc();
        ParameterVector vector = model.vector();
        CapturedEntries entries = model.entries();
        model.close();
        vector.close();
        System.gc();
        assertEquals(before, Engine.abandonedHandles());
        refusesClosed("the model is closed", () -> entries.bytes(new EntryFormat(model.sites("all"), 0, Dtype.F32), 1, 1));
    }

    @Test
    void closeFromAnotherThreadIsRefusedWhileTheOwnerLives() {
        try (LanguageModel model = engine.model(TINY, Dtype.F32); ParameterVector vector = model.vector()) {
            ParameterVector parameters = model.buffer(Buffer.PARAMETERS);
            String me = "belongs to thread '" + Thread.currentThread().getName() + "'";
            assertEquals("the model " + me + ", which still runs: thread 'other' cannot close it", elsewhere(model::close));
            assertEquals("the vector " + me + ", which still runs: thread 'other' cannot close it", elsewhere(vector::close));
            assertEquals("the model " + me + ", not to thread 'other'", elsewhere(() -> model.losses(batch)));
            assertEquals("the model " + me + ", not to thread 'other'", elsewhere(() -> model.step(AdamW.defaults(), 1)));
            assertEquals("the vector " + me + ", not to thread 'other'", elsewhere(() -> parameters.axpy(1, vector)));
            assertEquals("the model " + me + ", not to thread 'other'", elsewhere(parameters::norm));
            assertEquals("the vector " + me + ", not to thread 'other'", elsewhere(vector::norm));
            elsewhere(() -> Work.run("test", () -> model.losses(batch))); // a worker of another caller's
            model.initialize(1);
            double[] here = model.losses(batch);
            elsewhere(() -> model.gradient(batch));
            assertArrayEquals(here, model.losses(batch));
            model.cancel();
            CompletableFuture.runAsync(model::cancel).join(); // this anybody may
            assertArrayEquals(here, model.losses(batch));
        }
    }

    @Test
    void anyThreadClosesWhatADeadOneLeft() throws InterruptedException {
        AtomicReference<LanguageModel> left = new AtomicReference<>();
        Thread thread = Thread.ofVirtual().start(() -> left.set(engine.model(TINY, Dtype.F32)));
        thread.join();
        long abandoned = Engine.abandonedHandles();
        assertEquals("the model belongs to thread #" + thread.threadId() + ", not to thread '"
                + Thread.currentThread().getName() + "'",
                assertThrows(WrongThreadException.class, () -> left.get().losses(batch)).getMessage());
        left.get().close();
        left.get().close();
        assertEquals(0, Engine.liveHandles());
        assertEquals(abandoned, Engine.abandonedHandles());
    }

    @Test
    void aWorkerStandsInForItsCaller() {
        try (LanguageModel model = Work.run("test", () -> engine.model(TINY, Dtype.F32))) {
            model.initialize(1);
            double[] here = model.losses(batch);
            assertArrayEquals(here, Work.run("test", () -> model.losses(batch)));
            Work.run("test", model::close);
            refusesClosed("the model is closed", () -> model.losses(batch));
        }
    }

    private static void refusesClosed(String message, Executable what) {
        assertEquals(message, assertThrows(IllegalStateException.class, what).getMessage());
    }

    /** The message with which thread 'other' is refused. */
    private static String elsewhere(Runnable what) {
        CompletionException refused = assertThrows(CompletionException.class, () -> CompletableFuture.runAsync(what,
                task -> Thread.ofPlatform().name("other").start(task)).join());
        assertTrue(refused.getCause() instanceof WrongThreadException, refused.getCause().toString());
        return refused.getCause().getMessage();
    }
}
