/*
 * What goes on beside a writer's thread: copies of payloads into mapped segments, the allocation of the blocks that come
 * next, and the closing of full segments, which waits for the disk, while the next one is filled. Copies take many threads:
 * a new page costs a fault, and one thread comes to 1.6 GB/s (two to 3.2) where the blocks are there.
 */
package dev.lethe.ledger;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Work;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** A writer's threads. Confined to the writer's thread, as are the methods; the threads start when first needed. */
final class WriterThreads implements AutoCloseable {
    private static final int COPIERS = Math.clamp(Runtime.getRuntime().availableProcessors() / 2, 2, 8);

    private final ExecutorService copiers = threads(COPIERS, "lethe-ledger-copier");
    private final ExecutorService closer = threads(1, "lethe-ledger-closer");
    private Future<?> closing; // one at a time: of what a power cut may take, there is at most one full segment

    private static ExecutorService threads(int count, String name) {
        return Executors.newFixedThreadPool(count, Thread.ofPlatform().daemon().name(name).factory());
    }

    /** {@link SegmentLayout#copyBody}; the payload must stay as it is until the result is there. */
    Future<Integer> copy(MemorySegment payload, MemorySegment body) {
        return copiers.submit(() -> SegmentLayout.copyBody(payload, body));
    }

    /** Allocates beside, between copies. */
    Future<Void> allocate(Callable<Void> blocks) {
        return copiers.submit(blocks);
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

    /** Waits until it has ended; whether it ended well. What failed is told where its result is wanted. */
    static boolean settle(Future<?> job) {
        try {
            await(job);
            return true;
        } catch (RuntimeException e) {
            return false;
        }
    }

    @Override
    public void close() {
        closer.close();
        copiers.close();
    }
}
