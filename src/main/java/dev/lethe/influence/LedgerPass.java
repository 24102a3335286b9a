/*
 * One pass over entries of a ledger in blocks of bounded size: a block is handled on the caller's thread while another
 * thread reads and checks the next one. Knows nothing of what is computed.
 */
package dev.lethe.influence;

import dev.lethe.base.InterruptedWorkException;
import dev.lethe.engine.Work;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.Payloads;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Reads ahead of its caller. */
final class LedgerPass {
    private static final String INTERRUPTED = "scoring was interrupted";

    /**
     * A block's entries, read and checked.
     *
     * @param first position of its first entry
     * @param held  their payloads, until the block is handled
     */
    record Block(int first, List<Entry> entries, Payloads held) {
        List<MemorySegment> payloads() {
            return held.list();
        }
    }

    /** What is done with a block. */
    interface Handler {
        void handle(Block block);
    }

    private LedgerPass() {}

    /** A range of blocks, one after the other. */
    static void run(GradientLedger ledger, LedgerBlocks blocks, LedgerBlocks.Shard shard, Handler handler) {
        if (shard.from() == shard.to()) return;
        try (ExecutorService reader = Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().factory())) {
            Future<Block> next = reader.submit(() -> read(ledger, blocks, shard.from()));
            try {
                for (int b = shard.from(); b < shard.to(); b++) {
                    Block block = await(next);
                    next = null;
                    try (block.held) {
                        if (b + 1 < shard.to()) {
                            int following = b + 1;
                            next = reader.submit(() -> read(ledger, blocks, following));
                        }
                        handler.handle(block);
                        ledger.requireThere(block.entries);
                    }
                }
            } finally {
                if (next != null) giveUp(next);
            }
        }
    }

    /** What was read ahead is not needed: it is given back, not left in memory. */
    private static void giveUp(Future<Block> next) {
        try {
            Work.await(next, IllegalStateException::new).held.close();
        } catch (RuntimeException e) {
            // why the pass ends is told already
        }
    }

    /** Brings the pages in; the first read of an entry checks every byte. */
    private static Block read(GradientLedger ledger, LedgerBlocks blocks, int block) {
        List<Entry> entries = blocks.block(block);
        ledger.load(entries);
        return new Block(blocks.first(block), entries, ledger.payloads(entries));
    }

    private static Block await(Future<Block> next) {
        try {
            Work.check(INTERRUPTED);
            return next.get();
        } catch (InterruptedException e) { // outside of Work
            Thread.currentThread().interrupt();
            throw new InterruptedWorkException(INTERRUPTED, e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException cause) throw cause;
            throw new IllegalStateException("reading the ledger failed", e.getCause());
        }
    }
}
