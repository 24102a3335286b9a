/*
 * A pass over a ledger as a Spark job: n shards, a task each; rows stay with the executors until all are there, then come to the
 * driver in order. The driver has its own model and reads no payload, but where cg asks for the first records (--top).
 */
package dev.lethe.spark;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.Work;
import dev.lethe.influence.EntryRows;
import dev.lethe.influence.RowSource;
import dev.lethe.ledger.Entry;
import java.util.Iterator;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.util.LongAccumulator;

/** What {@code lethe score --set spark=true} asks. */
public final class SparkRows implements RowSource {
    /** Bytes of the ledger a task, by default. */
    private static final String PARTITION_BYTES = "spark.lethe.partitionBytes";
    /** A folder for the scores of all records as Parquet. */
    private static final String PARQUET = "spark.lethe.parquet";

    @Override
    public void rows(Pass pass, EntryRows.Sink sink) {
        SparkSession spark = session();
        String out = spark.sparkContext().conf().get(PARQUET, null);
        run(spark, pass, (job, rows, check) -> {
            if (out != null) {
                RecordScores.write(spark, pass, job, rows, out, check);
            }
            long turns = rows.map(RowBlock::turn).distinct().count();
            for (int turn = 0; turn < turns; turn++) {
                give(rows, turn, sink);
            }
        });
    }

    /** What is done with rows once all are computed. */
    interface Use {
        /** @param check throws where rows turn out to be missing: those of a machine that is gone are computed once more */
        void of(ScoreJob job, JavaRDD<RowBlock> rows, Runnable check) throws Exception;
    }

    /** The session that spark-submit or a program made, or one of this machine. */
    private static SparkSession session() {
        SparkSession.Builder builder = SparkSession.builder().appName("lethe score");
        return System.getProperty("spark.master") == null && SparkSession.getDefaultSession().isEmpty()
                ? builder.master("local[*]").config("spark.driver.bindAddress", "127.0.0.1").getOrCreate() : builder.getOrCreate();
    }

    /**
     * Computes a pass's rows, which stay with the executors while they are used.
     *
     * @throws dev.lethe.LetheException with the executor's words, for what would go wrong on every try
     */
    static void run(SparkSession spark, Pass pass, Use use) {
        if (pass.blocks().count() == 0) {
            throw new BadInputException(pass.run() + ": its ledger has no entry to score");
        }
        SparkContext context = spark.sparkContext();
        JavaSparkContext java = JavaSparkContext.fromSparkContext(context);
        int cpus = context.conf().getInt("spark.task.cpus", 1);
        int n = shards(context, pass, cpus);
        ScoreJob asked = ScoreJob.of(pass, cpus);
        String what = (asked.queries().isEmpty() ? "self-influence" : asked.queries().size() + " queries") + " on " + pass.run();
        LongAccumulator scored = context.longAccumulator("entries scored of " + pass.blocks().entries().size());
        Refusals.run(context, asked, (job, refusals) -> {
            JavaRDD<RowBlock> rows = java.parallelize(IntStream.rangeClosed(1, n).boxed().toList(), n)
                    .mapPartitions(new ScoreTask(job, n, scored, refusals.all())).persist(StorageLevel.MEMORY_AND_DISK());
            try {
                context.setJobGroup(asked.place().id(), "scores: " + what, true);
                rows.count();
                refusals.check();
                requireOneMind(rows);
                context.setJobGroup(asked.place().id(), "sums: " + what, true);
                use.of(asked, rows, refusals::check);
                refusals.check(); // rows of a machine that went away were computed once more
            } finally {
                rows.unpersist();
            }
        });
    }

    private static void give(JavaRDD<RowBlock> rows, int turn, EntryRows.Sink sink) {
        RowBlock first = null;
        for (Iterator<RowBlock> all = rows.filter(block -> block.turn() == turn).toLocalIterator(); all.hasNext(); ) {
            Work.check("scoring was interrupted");
            RowBlock block = all.next();
            if (first == null) {
                sink.turn(block.queries());
                first = block;
            } else if (!block.asked().equals(first.asked())) { // computed once more since requireOneMind
                throw unlike();
            }
            sink.rows(block.rows());
        }
    }

    /** Norms stand for the queries' vectors, which every executor computes for itself. As text: an enum's hash is each process's own. */
    static void requireOneMind(JavaRDD<RowBlock> rows) {
        long turns = rows.map(RowBlock::turn).distinct().count();
        if (rows.map(block -> block.turn() + " " + block.asked()).distinct().count() != turns) {
            throw unlike();
        }
    }

    private static BadInputException unlike() {
        return new BadInputException("executors computed the queries' gradients to other bits than each other; use machines of one kind,"
                + " or set spark.executorEnv.LETHE_ISA=avx2");
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
