package example;

import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/**
 * One queue of jobs, first come, first served: the engine is one resource, and a job fills every core by itself. A job runs on a
 * virtual thread, which waits while a thread of Lethe's works for it; to cancel is to interrupt that.
 */
final class Jobs implements AutoCloseable {
    private static final int WAITING = 100;
    private static final int KEPT = 1000; // of those that ended

    /** What a job does. */
    interface Task {
        /** @return what to show as its result */
        Object run(Consumer<Progress> progress) throws Exception;
    }

    /** @param of how many make it whole, 0 when nobody knows */
    record Progress(String stage, long done, long of, String detail) { }

    enum State {
        QUEUED, RUNNING, DONE, FAILED, CANCELLED;

        boolean ended() {
            return ordinal() > RUNNING.ordinal();
        }

        @JsonValue
        String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** A job as it is now; {@code seconds} it has run, {@code result} of one that is done, {@code problem} of one that is not. */
    record View(long id, String kind, State state, Progress progress, double seconds, Object result, Problem problem) { }

    private final ConcurrentSkipListMap<Long, Job> jobs = new ConcurrentSkipListMap<>();
    private final AtomicLong last = new AtomicLong();
    private final ExecutorService workers;
    private final Consumer<View> ended;

    /** @param atOnce jobs that run side by side @param ended told of every job that came to its end */
    Jobs(int atOnce, Consumer<View> ended) {
        workers = Executors.newFixedThreadPool(atOnce, Thread.ofVirtual().name("job-", 1).factory());
        this.ended = ended;
    }

    View add(String kind, Task task) {
        if (all().stream().filter(job -> job.state() == State.QUEUED).count() >= WAITING) {
            throw new Problem.Thrown(503, WAITING + " jobs wait already; come again later");
        }
        Job job = new Job(last.incrementAndGet(), kind, task);
        jobs.put(job.id, job);
        List<View> old = all().stream().filter(other -> other.state().ended()).toList();
        old.stream().limit(Math.max(0, old.size() - KEPT)).forEach(other -> jobs.remove(other.id()));
        workers.execute(job);
        return job.view();
    }

    Collection<View> all() {
        return jobs.values().stream().map(Job::view).toList();
    }

    View view(String id) {
        return job(id).view();
    }

    /** Asks a job to end; one that is past the point of no return comes to its end all the same. */
    View cancel(String id) {
        Job job = job(id);
        job.cancel();
        return job.view();
    }

    private Job job(String id) {
        Job job = id.matches("[0-9]{1,18}") ? jobs.get(Long.parseLong(id)) : null;
        if (job == null) {
            throw new Problem.Thrown(404, "there is no job " + id);
        }
        return job;
    }

    /** Cancels all and waits for what runs. */
    @Override
    public void close() {
        jobs.descendingMap().values().forEach(Job::cancel);
        workers.close();
    }

    private final class Job implements Runnable {
        private final long id;
        private final String kind;
        private final Task task;
        private State state = State.QUEUED; // this and all below guarded by this
        private Progress progress;
        private Object result;
        private Problem problem;
        private Thread runner;
        private long began;
        private long end;

        Job(long id, String kind, Task task) {
            this.id = id;
            this.kind = kind;
            this.task = task;
        }

        @Override
        public void run() {
            if (begin()) {
                try {
                    end(State.DONE, task.run(this::progress), null);
                } catch (Throwable e) { // an Error too: a job that nobody hears of would run for ever
                    Problem what = Problem.of(e);
                    end(what.status() == Problem.CANCELLED ? State.CANCELLED : State.FAILED, null, what);
                }
            }
        }

        private synchronized boolean begin() {
            if (state != State.QUEUED) {
                return false;
            }
            state = State.RUNNING;
            runner = Thread.currentThread();
            began = System.nanoTime();
            return true;
        }

        private synchronized void progress(Progress now) {
            progress = now;
        }

        private synchronized void end(State how, Object what, Problem why) {
            state = how;
            result = what;
            problem = why;
            end = System.nanoTime();
            runner = null;
            Thread.interrupted(); // was for this job, not for the next on this thread
            ended.accept(view());
        }

        synchronized void cancel() {
            if (state == State.QUEUED) {
                began = System.nanoTime();
                end(State.CANCELLED, null, null);
            } else if (runner != null) {
                runner.interrupt();
            }
        }

        synchronized View view() {
            double seconds = began == 0 ? 0 : ((state.ended() ? end : System.nanoTime()) - began) / 1e9;
            return new View(id, kind, state, progress, seconds, result, problem);
        }
    }
}
