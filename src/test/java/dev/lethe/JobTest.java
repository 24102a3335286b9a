package dev.lethe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** How a job begins and ends, without the door. */
class JobTest {
    private static final int TIMES = 5_000;

    @Test
    void oneCancelledBeforeItBeganNeverBegins() throws Exception {
        AtomicReference<Job<Integer>> next = new AtomicReference<>(); // both threads spin, to meet within the microsecond
        AtomicBoolean begun = new AtomicBoolean();
        Thread runner = Thread.ofPlatform().start(() -> {
            for (int i = 0; i < TIMES; i++) {
                Job<Integer> job;
                while ((job = next.get()) == null) {
                    Thread.onSpinWait();
                }
                for (int wait = 0; wait < i % 100; wait++) {
                    Thread.onSpinWait();
                }
                job.run();
                next.set(null);
            }
        });
        for (int i = 0; i < TIMES; i++) {
            begun.set(false);
            Job<Integer> job = new Job<>("test", _ -> {
                begun.set(true);
                return 1;
            }, _ -> { });
            next.set(job);
            job.cancel();
            while (next.get() != null) {
                Thread.onSpinWait();
            }
            assertEquals(begun.get() ? Job.State.DONE : Job.State.CANCELLED, job.state());
        }
        runner.join();
    }

    @Test
    void whoCancelsKeepsTheInterruptOfItsOwn() {
        Job<Integer> job = new Job<>("test", _ -> 1, _ -> { });
        Thread.currentThread().interrupt();
        job.cancel();
        assertTrue(Thread.interrupted());
        assertThrows(LetheException.class, job::join);
    }

    @Test
    void aListenerThatThrowsFailsOnlyAJobAtWork() {
        Job<Integer> ended = new Job<>("test", _ -> 1, _ -> {
            throw new AssertionError("at the end");
        });
        ended.run();
        assertEquals(1, ended.join());
        Job<Integer> queued = new Job<>("test", _ -> 1, _ -> {
            throw new IllegalStateException("at the end");
        });
        queued.cancel();
        assertEquals(Job.State.CANCELLED, queued.state());
        Job<Integer> working = new Job<>("test", progress -> {
            progress.accept(Job.Progress.NONE);
            return 1;
        }, job -> {
            if (!job.state().ended()) {
                throw new IllegalStateException("at work");
            }
        });
        working.run();
        assertEquals("at work", assertThrows(IllegalStateException.class, working::join).getMessage());
        assertFalse(Thread.currentThread().isInterrupted());
    }
}
