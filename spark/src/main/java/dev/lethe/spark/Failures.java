package dev.lethe.spark;

import dev.lethe.LetheException;
import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Reason;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.spark.ExceptionFailure;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;

/**
 * Ends a job with the first failure that would be the same on every try: whatever Lethe says is so, or the executor lacks Lethe. What
 * may pass (a machine that went away, a file system that hung) is left to Spark, which tries again.
 */
final class Failures extends SparkListener {
    private final SparkContext context;
    private final String group;
    private final AtomicReference<LetheException> first = new AtomicReference<>();

    Failures(SparkContext context, String group) {
        this.context = context;
        this.group = group;
    }

    @Override
    public void onTaskEnd(SparkListenerTaskEnd end) {
        if (!(end.reason() instanceof ExceptionFailure failure)) {
            return;
        }
        Throwable thrown = failure.exception().isDefined() ? failure.exception().get() : null;
        String where = "executor " + end.taskInfo().executorId() + " on " + end.taskInfo().host() + ": ";
        LetheException known = null;
        if (thrown instanceof LetheException ours) {
            known = ours.code() == LetheException.Code.CANCELLED ? null : again(where + Reason.of(ours), ours);
        } else if (failure.className().equals(NoClassDefFoundError.class.getName())) {
            known = new BadInputException(where + "has no Lethe (" + failure.description() + "); put Lethe's jars there and name them in"
                    + " spark.executor.extraClassPath");
        }
        if (known != null && first.compareAndSet(null, known)) {
            context.cancelJobGroup(group, Reason.of(known));
        }
    }

    private static LetheException again(String message, LetheException cause) {
        return cause.code() == LetheException.Code.DAMAGED ? new DamagedDataException(message, cause)
                : new BadInputException(message, cause);
    }

    /** What is to be thrown for a job that failed. */
    RuntimeException why(Exception e) {
        LetheException known = first.get();
        return known != null ? known : new BadInputException("Spark gave the job up: " + Reason.of(e).lines().findFirst().orElse(""), e);
    }
}
