/*
 * The native memory of one model, vector or set of factors: whose it is, that it is open, and a net under owners who forgot
 * to close it. The arena is a shared one, because a worker stands in for its caller and the net closes from its own thread;
 * so the checks that the JDK makes of confined arenas are made here, before any call and before reused memory is touched.
 */
package dev.lethe.engine;

import dev.lethe.shape.Site;
import dev.lethe.shape.SiteSet;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.lang.ref.Cleaner;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/** Belongs to the thread that made it, or that the maker worked for. */
final class OwnedMemory implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger("dev.lethe.engine");
    private static final Cleaner CLEANER = Cleaner.create();
    private static final AtomicLong ABANDONED = new AtomicLong();

    private final String what;
    private final int threads;
    private volatile Thread owner = Work.caller();
    private final Release release;
    private final Cleaner.Cleanable cleanable;

    /** Runs once: when its owner closes, or when nothing refers to the memory any more. Must not refer to it either. */
    private static final class Release implements Runnable {
        private final Arena arena = Arena.ofShared();
        private final String whose;
        private volatile boolean closed;

        Release(String whose) {
            this.whose = whose;
        }

        @Override
        public void run() {
            if (!closed) {
                closed = true;
                ABANDONED.incrementAndGet();
                LOG.log(System.Logger.Level.WARNING, "{0} was never closed; the garbage collector has freed it now", whose);
            }
            arena.close();
        }
    }

    /** @param what it is, such as "the model" @param threads that calls on it take, 0 = one a core */
    OwnedMemory(String what, int threads) {
        this.what = what;
        this.threads = threads;
        release = new Release(what + " of " + Work.name(owner));
        cleanable = CLEANER.register(this, release);
    }

    /** How often the net was needed. */
    static long abandoned() {
        return ABANDONED.get();
    }

    /** For what lives as long as this; whoever uses it checks first. */
    Arena arena() {
        return release.arena;
    }

    /** @throws IllegalStateException when closed @throws WrongThreadException on another thread than the owner's */
    void check() {
        if (Work.caller() != owner) {
            throw new WrongThreadException(what + " belongs to " + Work.name(owner) + ", not to "
                    + Work.name(Thread.currentThread()));
        }
        if (release.closed) {
            throw new IllegalStateException(what + " is closed");
        }
    }

    /** From here on it belongs to the caller. */
    void own() {
        owner = Work.caller();
    }

    int threads() {
        return threads;
    }

    boolean isOpen() {
        return !release.closed;
    }

    /** Frees everything; again does nothing. Another thread than the owner's may only once that one has ended. */
    @Override
    public void close() {
        if (release.closed) {
            return;
        }
        if (Work.caller() != owner && owner.isAlive()) {
            throw new WrongThreadException(what + " belongs to " + Work.name(owner) + ", which still runs: "
                    + Work.name(Thread.currentThread()) + " cannot close it");
        }
        synchronized (this) {
            release.closed = true;
        }
        cleanable.clean();
    }

    /**
     * The int that native loops poll. Any thread may raise it, the owner lowers it before each call. Raising it after the owner
     * closed does nothing.
     */
    static final class CancelFlag {
        private static final VarHandle VALUE = ValueLayout.JAVA_INT.varHandle();

        private final OwnedMemory memory;
        private final MemorySegment flag;

        CancelFlag(OwnedMemory memory) {
            this.memory = memory;
            flag = memory.arena().allocate(ValueLayout.JAVA_INT);
        }

        /** The lowered flag, to pass to a call that starts now. */
        MemorySegment lowered() {
            memory.check();
            VALUE.setVolatile(flag, 0L, 0);
            Work.starts(this);
            return flag;
        }

        void raise() {
            synchronized (memory) { // it cannot be closed meanwhile
                if (memory.isOpen()) {
                    VALUE.setVolatile(flag, 0L, 1);
                }
            }
        }
    }

    /**
     * A reused block of native memory of its owner's. It grows by doubling, so that a steady state allocates nothing
     * and all outgrown blocks together are smaller than the last one.
     */
    static final class Scratch {
        private static final long ALIGNMENT = 64;

        private final OwnedMemory memory;
        private MemorySegment block = MemorySegment.NULL;

        Scratch(OwnedMemory memory) {
            this.memory = memory;
        }

        /** The block, at least {@code bytes} long; its content is unspecified. */
        MemorySegment atLeast(long bytes) {
            memory.check();
            if (block.byteSize() < bytes) {
                block = memory.arena().allocate(Math.max(Math.max(bytes, 2 * block.byteSize()), ALIGNMENT), ALIGNMENT);
            }
            return block;
        }

        /** Room for so many doubles. */
        MemorySegment doubles(long count) {
            return atLeast(count * Double.BYTES);
        }

        /** The block, with these at its begin. */
        MemorySegment of(double[] values) {
            MemorySegment filled = doubles(values.length);
            MemorySegment.copy(values, 0, filled, ValueLayout.JAVA_DOUBLE, 0, values.length);
            return filled;
        }

        /** The same. */
        MemorySegment of(int[] values) {
            MemorySegment filled = atLeast((long) values.length * Integer.BYTES);
            MemorySegment.copy(values, 0, filled, ValueLayout.JAVA_INT, 0, values.length);
            return filled;
        }

        /** Doubles of a block, from this byte on. */
        static double[] read(MemorySegment block, long offset, int count) {
            double[] values = new double[count];
            MemorySegment.copy(block, ValueLayout.JAVA_DOUBLE, offset, values, 0, count);
            return values;
        }
    }

    /** A reused native byte mask [S] of selected sites. */
    static final class SiteMask {
        private final OwnedMemory memory;
        private final List<Site> sites;
        private final MemorySegment mask;

        SiteMask(OwnedMemory memory, List<Site> sites) {
            this.memory = memory;
            this.sites = sites;
            this.mask = memory.arena().allocate(sites.size());
        }

        /** The mask filled for a selection; NULL, which means all, for null. */
        MemorySegment of(SiteSet selection) {
            memory.check();
            if (selection == null) {
                return MemorySegment.NULL;
            }
            if (!selection.belongsTo(sites)) {
                throw new IllegalArgumentException("the sites " + selection
                        + " were selected from a model of another shape");
            }
            for (int site = 0; site < sites.size(); site++) {
                mask.set(ValueLayout.JAVA_BYTE, site, (byte) (selection.contains(site) ? 1 : 0));
            }
            return mask;
        }
    }
}
