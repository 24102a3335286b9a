/*
 * Where long work runs: on a platform thread of Lethe's own, while its caller waits. So native code never holds the carrier
 * of a virtual thread, and an interrupt of the caller cannot close the work's files: Java closes any channel whose thread is
 * interrupted, and this thread never is. The interrupt cancels the native call under way and every later one instead.
 */
package dev.lethe.engine;

import dev.lethe.base.InterruptedWorkException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Long work. Lethe's own entry points run in it; a program that makes many native calls of its own from a virtual thread
 * wraps them in {@link #run} too. The worker stands in for its caller: what belongs to the one, the other may use.
 *
 * <p>The rule of interrupts, everywhere: an interrupt ends work with {@link InterruptedWorkException}, or comes too late and
 * work ends as if there had been none. Either way the caller's flag is set afterwards.
 */
public final class Work {
    private Work() { }

    private static final class Worker extends Thread {
        private final Thread caller;
        private volatile boolean asked;
        private OwnedMemory.CancelFlag running; // of the last native call; guarded by this
        private int shields;        // the worker's own

        Worker(Runnable body, String name, Thread caller) {
            super(body, "lethe-" + name);
            this.caller = caller;
            setDaemon(true);
        }

        /** Asks the work to end. The thread itself is not interrupted, for that would close its files. */
        @Override
        public synchronized void interrupt() {
            asked = true;
            if (running != null) {
                running.raise();
            }
        }

        /** From here on the flag of the last call is not raised any more: the next call might be given the same one. */
        synchronized void shield() {
            shields++;
            running = null;
        }

        synchronized void starts(OwnedMemory.CancelFlag call) {
            running = shields > 0 ? null : call;
            if (asked && running != null) {
                running.raise();
            }
        }
    }

    /**
     * Runs the body to its end on a thread of Lethe's, or here when this is one; returns or throws what it does.
     *
     * @param name of the thread, after "lethe-"
     */
    public static <T> T run(String name, Supplier<T> body) {
        if (Thread.currentThread() instanceof Worker) {
            return body.get();
        }
        FutureTask<T> task = new FutureTask<>(body::get);
        Worker worker = new Worker(task, name, Thread.currentThread());
        if (Thread.interrupted()) {
            worker.interrupt();
        }
        try {
            worker.start();
            while (true) {
                try {
                    return task.get();
                } catch (InterruptedException e) {
                    worker.interrupt();
                }
            }
        } catch (ExecutionException e) {
            throw unchecked(e.getCause());
        } finally {
            if (worker.asked) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** As the other, for a body that returns nothing. */
    public static void run(String name, Runnable body) {
        run(name, () -> {
            body.run();
            return null;
        });
    }

    /**
     * The job's result, however often this thread is interrupted meanwhile: the job may be using what is the caller's. The
     * interrupt is heard afterwards.
     *
     * @param failure what is thrown for what the job threw
     */
    public static <T> T await(Future<T> job, Function<Throwable, RuntimeException> failure) {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return job.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    throw failure.apply(e.getCause());
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Evaluates parallel streams on threads of this call's own, one a core: the common pool is the program's. */
    public static <T> T parallel(Supplier<T> streams) {
        try (ForkJoinPool pool = new ForkJoinPool(Runtime.getRuntime().availableProcessors())) {
            return pool.submit(streams::get).join();
        }
    }

    private static RuntimeException unchecked(Throwable cause) {
        if (cause instanceof Error error) {
            throw error;
        }
        return (RuntimeException) cause; // a Supplier throws nothing else
    }

    /** Whether the work of this thread was asked to end. */
    public static boolean interrupted() {
        Thread here = Thread.currentThread();
        return here instanceof Worker worker ? worker.asked && worker.shields == 0 : here.isInterrupted();
    }

    /** @throws InterruptedWorkException with the message, when the work of this thread was asked to end */
    public static void check(String message) {
        if (interrupted()) {
            throw new InterruptedWorkException(message);
        }
    }

    /** Runs what must not be left half done: no check and no native call in it hears an interrupt. */
    public static <T> T shielded(Supplier<T> body) {
        if (!(Thread.currentThread() instanceof Worker worker)) {
            return run("shielded", () -> shielded(body));
        }
        worker.shield();
        try {
            return body.get();
        } finally {
            worker.shields--;
        }
    }

    /** The thread that this one works for: its caller, or itself. */
    public static Thread caller() {
        Thread here = Thread.currentThread();
        return here instanceof Worker worker ? worker.caller : here;
    }

    /** A thread as messages name it; virtual ones often have no name. */
    public static String name(Thread thread) {
        return thread.getName().isEmpty() ? "thread #" + thread.threadId() : "thread '" + thread.getName() + "'";
    }

    /** A native call that can be cancelled starts: an interrupt from now on, or from before, reaches it. */
    static void starts(OwnedMemory.CancelFlag call) {
        if (Thread.currentThread() instanceof Worker worker) {
            worker.starts(call);
        }
    }
}
