/*
 * Capture from a device: entries leave through a ring of pinned memory, and a thread of its own carries them into the ledger,
 * so that a step does not wait for the disk. When the ring is full, the next gradient call waits: nothing piles up.
 */
package dev.lethe.train;

import dev.lethe.base.BadInputException;
import dev.lethe.base.EngineException;
import dev.lethe.base.Reason;
import dev.lethe.engine.CaptureRing;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.Work;
import java.util.ArrayDeque;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;

/**
 * Order and commits are those of {@link LedgerCapture}, which lives on the thread made here: entries are written
 * and committed step after step, and {@link #sync} returns when all of them are on the disk. A failure there (a full disk, a
 * factor that is not finite) ends the training at its next step, and what was committed before it stays readable.
 */
final class RingCapture implements StepCapture {
    private static final int MOST_SLOTS = 4;
    private static final long MOST_PINNED = 8L << 30;

    private final EntryFormat format;
    private final CaptureRing ring;
    private final ExecutorService thread =
            Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().name("lethe-ledger").factory());
    private final ArrayDeque<Future<?>> jobs = new ArrayDeque<>();
    private LedgerCapture ledger; // the thread's own
    private boolean failed;       // the thread's own
    private Order order;

    /**
     * @param slotBytes of the largest batch's entries
     * @param opening   opens the ledger, on the new thread
     */
    RingCapture(LanguageModel model, EntryFormat format, long slotBytes, Supplier<LedgerCapture> opening) {
        this.format = format;
        ring = model.captureRing(slots(slotBytes), slotBytes);
        try {
            await(thread.submit(() -> ledger = opening.get()));
        } catch (RuntimeException e) {
            thread.shutdown();
            ring.close();
            throw e;
        }
    }

    /** As many as fit into what may be pinned; with one, a step waits for the copy of the one before it. */
    static int slots(long slotBytes) {
        return (int) Math.clamp(MOST_PINNED / Math.max(1, slotBytes), 1, MOST_SLOTS);
    }

    @Override
    public CaptureRing.Capture begin(Order order) {
        while (!jobs.isEmpty() && jobs.peek().isDone()) {
            await(jobs.remove());
        }
        this.order = order;
        return CaptureRing.Capture.through(ring, format);
    }

    @Override
    public void captured() {
        Order taken = order;
        jobs.add(thread.submit(() -> carry(taken)));
    }

    /** On the ledger's thread. A slot is freed whatever happens, for the model's thread may be waiting for it. */
    private void carry(Order taken) {
        if (failed) {
            ring.drop();
            return;
        }
        try {
            ring.take(taken.indices().length, entries -> ledger.write(taken, entries));
        } catch (EngineException e) {
            failed = true;
            throw new BadInputException("training stopped: the gradients of step " + taken.step() + " cannot be kept: "
                    + Reason.of(e), e);
        } catch (Throwable e) {
            failed = true;
            throw e;
        }
    }

    @Override
    public void commit() {
        jobs.add(thread.submit(() -> {
            if (!failed) {
                ledger.commit();
            }
        }));
    }

    @Override
    public int sync() {
        drain();
        return await(thread.submit(() -> ledger.sync()));
    }

    private void drain() {
        while (!jobs.isEmpty()) {
            await(jobs.remove());
        }
    }

    private static <T> T await(Future<T> job) { // the ledger must be whole before an interrupt is heard
        return Work.await(job, cause -> cause instanceof RuntimeException told ? told
                : new BadInputException("writing the ledger: " + Reason.of(cause), cause));
    }

    /** Commits what was submitted, closes the ledger; a failure not told yet is thrown after that. */
    @Override
    public void close() {
        try (ring; thread) {
            try {
                drain();
            } finally {
                await(thread.submit(() -> ledger.close()));
            }
        }
    }
}
