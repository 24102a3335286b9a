package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.LetheException;
import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.EngineException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Long work: on which thread it runs, and what an interrupt of its caller does to it. */
@ExtendWith(NoLeaks.class)
class WorkTest {
    private static final ModelShape TINY = new ModelShape(19, 8, 8, 2, 1, 32, 1e-5, true);

    private final Batch batch = Batch.of(List.of(new int[] {1, 2, 3}), List.of(new int[] {2, 3, 4}));

    @Test
    void runsOnAPlatformThreadOfItsOwnAndNestedWhereItIs() {
        try (var virtual = Executors.newVirtualThreadPerTaskExecutor()) {
            CompletableFuture.runAsync(() -> {
                Thread caller = Thread.currentThread();
                assertTrue(caller.isVirtual());
                Work.run("test", () -> {
                    Thread worker = Thread.currentThread();
                    assertNotSame(caller, worker);
                    assertFalse(worker.isVirtual());
                    assertEquals("lethe-test", worker.getName());
                    assertSame(caller, Work.caller());
                    assertSame(worker, Work.run("nested", Thread::currentThread));
                });
            }, virtual).join();
        }
    }

    @Test
    void whatTheBodyThrowsTheCallerGets() {
        RuntimeException failure = new BadInputException("no");
        assertSame(failure, assertThrows(BadInputException.class, () -> Work.run("test", () -> {
            throw failure;
        })));
        assertThrows(StackOverflowError.class, () -> Work.run("test", () -> {
            throw new StackOverflowError();
        }));
    }

    @Test
    void anInterruptBeforeOrDuringEndsItAndStaysSet() {
        Thread.currentThread().interrupt();
        assertEquals("test interrupted", assertThrows(InterruptedWorkException.class,
                () -> Work.run("test", () -> Work.check("test interrupted"))).getMessage());
        assertTrue(Thread.interrupted(), "stays set");
        Thread caller = Thread.currentThread();
        assertThrows(InterruptedWorkException.class, () -> Work.run("test", () -> {
            caller.interrupt();
            while (true) {
                Work.check("test interrupted");
            }
        }));
        assertTrue(Thread.interrupted(), "stays set");
        assertEquals(7, Work.run("test", () -> {
            Thread.currentThread().interrupt(); // a listener of the work's asks the same way
            return 7;
        }), "too late for what does not look");
        assertTrue(Thread.interrupted(), "stays set");
    }

    @Test
    void anInterruptCancelsEveryNativeCallAndNotTheNextWork() {
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(TINY, Dtype.F32)) {
            Thread.currentThread().interrupt();
            for (int i = 0; i < 2; i++) {
                assertEquals("interrupted during losses", assertThrows(InterruptedWorkException.class,
                        () -> Work.run("test", () -> model.losses(batch))).getMessage());
            }
            assertEquals(1, Work.shielded(() -> model.losses(batch)).length, "what must be whole is not cancelled");
            assertTrue(Thread.interrupted());
            Work.run("test", () -> model.losses(batch));
            model.losses(batch);
        }
    }

    /** The flag of the last call may be that of the next one, which is lowered and then started. */
    @Test
    void anInterruptOfAShieldedPartRaisesNoFlag() {
        OwnedMemory memory = new OwnedMemory("test", 0);
        OwnedMemory.CancelFlag flag = new OwnedMemory.CancelFlag(memory);
        Work.run("test", () -> {
            MemorySegment raised = flag.lowered();
            Work.shielded(() -> {
                Thread.currentThread().interrupt();
                assertEquals(0, raised.get(ValueLayout.JAVA_INT, 0));
                return null;
            });
            assertEquals(1, flag.lowered().get(ValueLayout.JAVA_INT, 0), "behind it the interrupt is heard");
        });
        assertTrue(Thread.interrupted());
        memory.close();
    }

    @Test
    void filesStayOpenUnderAnInterrupt(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "content");
        Thread.currentThread().interrupt();
        try (MappedFile mapped = MappedFile.open(file)) {
            assertEquals(7, mapped.size());
        }
        assertTrue(Thread.interrupted(), "stays set");
    }

    @Test
    void everythingThrownOnPurposeIsOfOneFamily() {
        for (Class<?> type : List.of(BadInputException.class, DamagedDataException.class, EngineException.class,
                InterruptedWorkException.class)) {
            assertSame(LetheException.class, type.getSuperclass());
        }
    }
}
