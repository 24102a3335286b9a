/*
 * What goes on beside a writer's thread: checksums of payloads while they are written, and the closing of full segments,
 * which waits for the disk, while the next one is filled.
 */
package dev.lethe.ledger;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.engine.Work;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** A writer's two threads. Confined to the writer's thread, as are the methods; the threads start when first needed. */
final class WriterThreads implements AutoCloseable {
    private final ExecutorService checksums = thread("lethe-ledger-checksums");
    private final ExecutorService closer = thread("lethe-ledger-closer");
    private Future<?> closing; // one at a time: of what a power cut may take, there is at most one full segment

    private static ExecutorService thread(String name) {
        return Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().name(name).factory());
    }

    /** {@link SegmentLayout#bodyCrc} of a payload, which must stay as it is until the result is there. */
    Future<Integer> checksum(MemorySegment payload) {
        return checksums.submit(() -> SegmentLayout.bodyCrc(payload));
    }

    /** Closes a segment beside once the one before is closed, which it waits for; what failed there is thrown here. */
    void close(Runnable segment) {
        Future<?> last = closing;
        closing = closer.submit(segment);
        if (last != null) await(last);
    }

    /** Waits until the last one is closed; what failed there is thrown. */
    void awaitClosed() {
        if (closing == null) return;
        Future<?> last = closing;
        closing = null;
        await(last);
    }

    static <T> T await(Future<T> job) {
        return Work.await(job, cause -> cause instanceof BadInputException refused ? refused
                : new IllegalStateException("a thread beside the ledger's writer failed", cause));
    }

    /** Waits until it has ended, well or not. */
    static void settle(Future<?> job) {
        try {
            await(job);
        } catch (RuntimeException e) {
            // told where its result is wanted
        }
    }

    @Override
    public void close() {
        closer.close();
        checksums.close();
    }

    /**
     * What left it open what of a writer's ledger is on the disk. Kept, for neither a later sync that succeeds nor a close mends
     * it. One thread.
     */
    static final class FirstFailure {
        private final String what;
        private Throwable first;

        /** @param what failed, such as "writing the ledger x" */
        FirstFailure(String what) {
            this.what = what;
        }

        /** Does it; its failure is kept and thrown. */
        void orKeep(Runnable action) {
            try {
                action.run();
            } catch (Throwable e) {
                keep(e);
                throw e;
            }
        }

        /** Does it; its failure is kept for {@link #requireNone}. */
        void attempt(Runnable action) {
            try {
                action.run();
            } catch (Throwable e) {
                keep(e);
            }
        }

        private void keep(Throwable e) {
            if (first == null) first = e;
            else if (first != e) first.addSuppressed(e);
        }

        /** @throws BadInputException when there was one; a new exception every time, for none can suppress itself */
        void requireNone() {
            if (first != null) throw new BadInputException(what + " failed: " + Reason.of(first), first);
        }
    }
}
