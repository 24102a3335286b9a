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
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Reads ahead of its caller. */
final class LedgerPass {
    private static final int LARGEST_BLOCK = 4096; // entries
    private static final String INTERRUPTED = "scoring was interrupted";

    /**
     * A block's entries, read and checked.
     *
     * @param first position of its first entry among the live entries of the pass
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

    /** Runs of live entries of at most blockBytes together; an entry larger than that is a block of its own. */
    static void run(GradientLedger ledger, List<Entry> live, long blockBytes, Handler handler) {
        List<List<Entry>> blocks = blocks(live, blockBytes);
        if (blocks.isEmpty()) return;
        try (ExecutorService reader = Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().factory())) {
            Future<Block> next = reader.submit(() -> read(ledger, 0, blocks.getFirst()));
            int first = 0;
            try {
                for (int i = 0; i < blocks.size(); i++) {
                    Block block = await(next);
                    next = null;
                    try (block.held) {
                        first += block.entries.size();
                        if (i + 1 < blocks.size()) {
                            List<Entry> following = blocks.get(i + 1);
                            int start = first;
                            next = reader.submit(() -> read(ledger, start, following));
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

    private static List<List<Entry>> blocks(List<Entry> entries, long blockBytes) {
        List<List<Entry>> blocks = new ArrayList<>();
        List<Entry> block = new ArrayList<>();
        long bytes = 0;
        for (Entry entry : entries) {
            if (!block.isEmpty() && (bytes + entry.length() > blockBytes || block.size() == LARGEST_BLOCK)) {
                blocks.add(block);
                block = new ArrayList<>();
                bytes = 0;
            }
            block.add(entry);
            bytes += entry.length();
        }
        if (!block.isEmpty()) blocks.add(block);
        return blocks;
    }

    /** The first read of an entry checks every byte; a later one only brings its pages in. */
    private static Block read(GradientLedger ledger, int first, List<Entry> entries) {
        Payloads held = ledger.payloads(entries);
        held.list().stream().filter(MemorySegment::isMapped).forEach(MemorySegment::load);
        return new Block(first, entries, held);
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
