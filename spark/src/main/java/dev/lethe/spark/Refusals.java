package dev.lethe.spark;

import dev.lethe.LetheException;
import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Reason;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.util.CollectionAccumulator;

/**
 * Ends a job by the first {@link Refusal}. A task that is refused does not fail, for Spark would try it again; it says so. What may pass
 * (a machine that went away, a file system that hung) is thrown, and left to Spark.
 */
final class Refusals extends SparkListener {
    private final SparkContext context;
    private final String group;
    private final CollectionAccumulator<Refusal> all;
    private final AtomicBoolean ended = new AtomicBoolean();

    private Refusals(SparkContext context, String group) {
        this.context = context;
        this.group = group;
        all = context.collectionAccumulator("refusals");
    }

    /** What is done as one job, once executors can be told of it. */
    interface Body<J> {
        void run(Broadcast<J> job, Refusals refusals) throws Exception;
    }

    /** Carries a job out, and has this process free what it held of it. @throws LetheException with the executor's words, or Spark's */
    static <J extends Job<?>> void run(SparkContext context, J job, Body<J> body) {
        Refusals refusals = new Refusals(context, job.place().id());
        context.addSparkListener(refusals);
        Broadcast<J> told = JavaSparkContext.fromSparkContext(context).broadcast(job);
        try {
            body.run(told, refusals);
        } catch (LetheException e) {
            throw e;
        } catch (Exception e) { // Spark's are not declared
            throw refusals.why(e);
        } finally {
            Workplace.end();
            told.destroy();
            context.clearJobGroup();
            context.removeSparkListener(refusals);
        }
    }

    /** In a task. @throws RuntimeException what was thrown, where it may pass */
    static Refusal of(RuntimeException thrown) {
        if (!(thrown instanceof LetheException e) || e.code() == LetheException.Code.CANCELLED) {
            throw thrown;
        }
        return Refusal.here(Reason.of(e), e.code() == LetheException.Code.DAMAGED);
    }

    /** To be added to by tasks. */
    CollectionAccumulator<Refusal> all() {
        return all;
    }

    @Override
    public void onTaskEnd(SparkListenerTaskEnd end) {
        if (!all.isZero() && ended.compareAndSet(false, true)) {
            context.cancelJobGroup(group, all.value().getFirst().what());
        }
    }

    /** @throws LetheException the first refusal, if there is any */
    void check() {
        if (all.isZero()) {
            return;
        }
        Refusal first = all.value().getFirst();
        String message = "executor " + first.executor() + " on " + first.host() + ": " + first.what();
        throw first.damaged() ? new DamagedDataException(message) : new BadInputException(message);
    }

    private RuntimeException why(Exception e) {
        check();
        return new BadInputException("Spark gave the job up: " + Reason.of(e).lines().findFirst().orElse(""), e);
    }
}
