package dev.lethe;

import dev.lethe.base.InterruptedWorkException;
import dev.lethe.engine.Work;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A piece of long work that {@link Lethe} was given: to be waited for, watched and cancelled. Any thread; who waits on a virtual
 * thread holds up no other.
 *
 * @param <T> what comes out
 */
public final class Job<T> {
    /**
     * How far a job is.
     *
     * @param stage  what it is doing, in a word or two
     * @param done   steps, moves, records or parts of the stage that are done
     * @param of     how many make it whole, 0 when nobody knows
     * @param detail a few words more, such as a loss; often empty
     */
    public record Progress(String stage, long done, long of, String detail) {
        /** Before anything is known. */
        public static final Progress NONE = new Progress("", 0, 0, "");
    }

    /** Where a job is; the last three are ends. */
    public enum State {
        /** It waits for the executor. */
        QUEUED,
        /** It is at work. */
        RUNNING,
        /** {@link Job#join} gives what came out. */
        DONE,
        /** {@link Job#join} throws what went wrong. */
        FAILED,
        /** It was told to end and did; {@link Job#join} throws how things were left. */
        CANCELLED;

        /** {@return whether nothing comes after it} */
        public boolean ended() {
            return ordinal() > RUNNING.ordinal();
        }
    }

    /** The work itself. */
    interface Body<T> {
        T run(Consumer<Progress> progress);
    }

    private static final System.Logger LOG = System.getLogger("dev.lethe");

    private final String kind;
    private final Consumer<Job<?>> listener;
    private final CompletableFuture<T> result = new CompletableFuture<>();
    private Body<T> body; // this and all below guarded by this; null at the end, for it holds what it works on
    private State state = State.QUEUED;
    private Progress progress = Progress.NONE;
    private @Nullable Throwable failure;
    private @Nullable Thread runner;
    private boolean cancelled;
    private long began;
    private long end;

    Job(String kind, Body<T> body, Consumer<Job<?>> listener) {
        this.kind = kind;
        this.body = body;
        this.listener = listener;
    }

    /** {@return the method of {@link Lethe} that made it, such as {@code train}} */
    public String kind() {
        return kind;
    }

    /** {@return where it is now} */
    public synchronized State state() {
        return state;
    }

    /** {@return how far it is; of one that has ended how far it came} */
    public synchronized Progress progress() {
        return progress;
    }

    /**
     * {@return what it failed with, or null; of a cancelled one a {@link LetheException} that says how things were left}
     */
    public synchronized @Nullable Throwable failure() {
        return failure;
    }

    /** {@return how long it has run; zero while it waits} */
    public synchronized Duration elapsed() {
        return Duration.ofNanos(began == 0 ? 0 : (state.ended() ? end : System.nanoTime()) - began);
    }

    /**
     * Waits for the end. An interrupt of the waiting thread cancels the job and is waited out too; the thread's flag is set
     * afterwards.
     *
     * @return what came out
     * @throws LetheException what the job failed with; of code CANCELLED when it was cancelled
     */
    public T join() {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return result.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                    cancel();
                } catch (ExecutionException e) {
                    if (e.getCause() instanceof Error error) {
                        throw error;
                    }
                    throw (RuntimeException) e.getCause(); // a body throws nothing else
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /**
     * Its end, for chains and time limits; to complete or cancel that future does nothing to the job.
     *
     * @return a copy of it
     */
    public CompletableFuture<T> future() {
        return result.copy();
    }

    /** Asks it to end. It does at its next whole step; one that is past the point of no return comes to its end all the same. */
    public void cancel() {
        synchronized (this) {
            cancelled = true; // from here on a queued one does not begin
            if (runner != null) {
                runner.interrupt();
            }
            if (state != State.QUEUED) {
                return;
            }
        }
        end(null, new InterruptedWorkException(kind + ": cancelled before it began"));
    }

    /** On the executor's thread. */
    void run() {
        Body<T> work;
        synchronized (this) {
            if (state != State.QUEUED || cancelled) {
                return;
            }
            state = State.RUNNING;
            work = body;
            runner = Thread.currentThread();
            began = System.nanoTime();
        }
        try {
            end(work.run(this::tell), null);
        } catch (Throwable e) { // an Error too: who waits must hear of it
            end(null, e);
        }
    }

    /** It will never be run; one that was cancelled stays so. */
    void refused(RuntimeException why) {
        end(null, why);
    }

    /** Whether the calling thread is at work for it, in a listener then. */
    synchronized boolean mine() {
        return runner != null && (runner == Thread.currentThread() || runner == Work.caller());
    }

    private void tell(Progress now) {
        synchronized (this) {
            progress = now;
        }
        listener.accept(this);
    }

    private void end(T what, Throwable why) {
        synchronized (this) {
            if (state.ended()) {
                return;
            }
            end = System.nanoTime();
            began = began == 0 ? end : began;
            failure = why;
            state = why == null ? State.DONE
                    : why instanceof LetheException known && known.code() == LetheException.Code.CANCELLED ? State.CANCELLED : State.FAILED;
            if (runner == Thread.currentThread() && cancelled) {
                Thread.interrupted(); // was for this job, not for the next on this thread
            }
            runner = null;
            body = null;
        }
        if (why == null) {
            result.complete(what);
        } else {
            result.completeExceptionally(why);
        }
        try {
            listener.accept(this);
        } catch (Throwable e) { // an Error too: the job has ended as it has, and who cancelled it has not failed
            LOG.log(System.Logger.Level.WARNING, kind + ": the listener failed at its end", e);
        }
    }
}
