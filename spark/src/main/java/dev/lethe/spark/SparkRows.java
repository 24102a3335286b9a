/*
 * A pass over a ledger as a Spark job: n shards, a task each; rows stay with the executors until all are there, then come to the
 * driver in order. The driver has its own model and reads no payload.
 */
package dev.lethe.spark;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.Work;
import dev.lethe.influence.EntryRows;
import dev.lethe.influence.InfluenceScorer;
import dev.lethe.influence.RowSource;
import dev.lethe.ledger.Entry;
import java.util.Iterator;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.util.LongAccumulator;

/** What {@code lethe score --spark} asks. */
public final class SparkRows implements RowSource {
    /** Bytes of the ledger a task, by default. */
    private static final String PARTITION_BYTES = "spark.lethe.partitionBytes";

    @Override
    public void rows(Pass pass, EntryRows.Sink sink) {
        rows(session(), pass, sink);
    }

    /** The session that spark-submit or a program made, or one of this machine. */
    private static SparkSession session() {
        SparkSession.Builder builder = SparkSession.builder().appName("lethe score");
        return System.getProperty("spark.master") == null && SparkSession.getDefaultSession().isEmpty()
                ? builder.master("local[*]").config("spark.driver.bindAddress", "127.0.0.1").getOrCreate() : builder.getOrCreate();
    }

    static void rows(SparkSession spark, Pass pass, EntryRows.Sink sink) {
        if (pass.blocks().count() == 0) { // nothing to share out: the queries' names and norms alone
            local(pass, sink);
            return;
        }
        SparkContext context = spark.sparkContext();
        JavaSparkContext java = JavaSparkContext.fromSparkContext(context);
        int cpus = context.conf().getInt("spark.task.cpus", 1);
        ScoreJob job = ScoreJob.of(pass, cpus);
        int n = shards(context, pass, cpus);
        Failures failures = new Failures(context, job.id());
        context.addSparkListener(failures);
        Broadcast<ScoreJob> told = java.broadcast(job);
        String what = (job.queries().isEmpty() ? "self-influence" : job.queries().size() + " queries") + " on " + pass.run();
        context.setJobGroup(job.id(), what, true);
        LongAccumulator scored = context.longAccumulator("entries scored of " + pass.blocks().entries().size());
        JavaRDD<RowBlock> rows = java.parallelize(IntStream.rangeClosed(1, n).boxed().toList(), n)
                .mapPartitions(new ScoreTask(told, n, scored)).persist(StorageLevel.MEMORY_AND_DISK());
        try {
            int turns = rows.map(RowBlock::turn).reduce(Math::max) + 1;
            context.setJobGroup(job.id(), what + ": rows to the driver", true);
            for (int turn = 0; turn < turns; turn++) {
                give(rows, turn, sink);
            }
        } catch (Exception e) { // Spark's are not declared
            throw failures.why(e);
        } finally {
            rows.unpersist();
            told.destroy();
            context.clearJobGroup();
            context.removeSparkListener(failures);
        }
    }

    private static void give(JavaRDD<RowBlock> rows, int turn, EntryRows.Sink sink) {
        boolean begun = false;
        for (Iterator<RowBlock> all = rows.filter(block -> block.turn() == turn).toLocalIterator(); all.hasNext(); ) {
            Work.check("scoring was interrupted");
            RowBlock block = all.next();
            if (!begun) {
                sink.turn(block.asked());
                begun = true;
            }
            sink.rows(block.rows());
        }
    }

    private static void local(Pass pass, EntryRows.Sink sink) {
        InfluenceScorer scorer = new InfluenceScorer(pass.model(), pass.options());
        if (pass.queries().isEmpty()) {
            scorer.selfRows(pass.ledger(), pass.blocks(), pass.blocks().all(), sink);
        } else {
            scorer.rows(pass.ledger(), pass.blocks(), pass.blocks().all(), pass.queries(), pass.weighings(), pass.along(), sink);
        }
    }

    /** Enough that two wait for each place, or that each has {@link #PARTITION_BYTES}; no more than blocks. */
    private static int shards(SparkContext context, Pass pass, int cpus) {
        long each;
        try {
            each = context.conf().getSizeAsBytes(PARTITION_BYTES, "256m");
        } catch (NumberFormatException e) {
            throw new BadInputException(PARTITION_BYTES + "=" + context.conf().get(PARTITION_BYTES) + ": must be a size such as 256m", e);
        }
        long bytes = pass.blocks().entries().stream().mapToLong(Entry::length).sum();
        long wanted = Math.max(2L * context.defaultParallelism() / cpus, bytes / Math.max(1, each));
        return Math.clamp(wanted, 1, pass.blocks().count());
    }
}
