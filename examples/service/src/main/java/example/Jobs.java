package example;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.lethe.Job;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.Supplier;

/** Lethe's jobs by number, with what to show of them; how they queue is the executor's. */
final class Jobs {
    private static final int WAITING = 100;
    private static final int KEPT = 1000; // of those that ended

    /** A job as it is now; {@code seconds} it has run, {@code result} of one that is done, {@code problem} of one that is not. */
    @JsonInclude(JsonInclude.Include.ALWAYS)
    record View(long id, String kind, String state, Job.Progress progress, double seconds, Object result, Problem problem) { }

    private record Entry<T>(long id, Job<T> job, Function<T, Object> shown) {
        View view() {
            Job.State state = job.state(); // once, so that a result is there where it says so
            boolean done = state == Job.State.DONE;
            return new View(id, job.kind(), label(job), job.progress() == Job.Progress.NONE ? null : job.progress(), job.elapsed().toNanos() / 1e9,
                    done ? shown.apply(job.join()) : null, state.ended() && !done ? Problem.of(job.failure()) : null);
        }
    }

    private final ConcurrentSkipListMap<Long, Entry<?>> jobs = new ConcurrentSkipListMap<>();
    private final AtomicLong last = new AtomicLong();

    static String label(Job<?> job) {
        return job.state().name().toLowerCase(Locale.ROOT);
    }

    /** @param shown what to show of a result */
    <T> View add(Supplier<Job<T>> begin, Function<T, Object> shown) {
        if (jobs.values().stream().filter(one -> one.job.state() == Job.State.QUEUED).count() >= WAITING) {
            throw new Problem.Thrown(503, WAITING + " jobs wait already; come again later");
        }
        Job<T> job = begin.get();
        Entry<T> entry = new Entry<>(last.incrementAndGet(), job, shown);
        jobs.put(entry.id, entry);
        List<Long> old = jobs.values().stream().filter(one -> one.job.state().ended()).map(Entry::id).toList();
        old.stream().limit(Math.max(0, old.size() - KEPT)).forEach(jobs::remove);
        return entry.view();
    }

    Collection<View> all() {
        return jobs.values().stream().map(Entry::view).toList();
    }

    View view(String id) {
        return entry(id).view();
    }

    /** Asks a job to end; one that is past the point of no return comes to its end all the same. */
    View cancel(String id) {
        Entry<?> entry = entry(id);
        entry.job.cancel();
        return entry.view();
    }

    private Entry<?> entry(String id) {
        Entry<?> entry = id.matches("[0-9]{1,18}") ? jobs.get(Long.parseLong(id)) : null;
        if (entry == null) {
            throw new Problem.Thrown(404, "there is no job " + id);
        }
        return entry;
    }
}
