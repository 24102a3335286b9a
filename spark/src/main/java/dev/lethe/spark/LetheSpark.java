package dev.lethe.spark;

import dev.lethe.base.BadInputException;
import dev.lethe.console.OpenModel;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.engine.Work;
import dev.lethe.erase.OpenRun;
import dev.lethe.find.Query;
import dev.lethe.influence.InfluenceQuery;
import dev.lethe.influence.InfluenceScorer;
import dev.lethe.influence.InfluenceScorer.ScoreOptions;
import dev.lethe.influence.LedgerBlocks;
import dev.lethe.influence.RowSource.Pass;
import dev.lethe.influence.ScoreMethod;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.TrainConfig.OnLong;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** Lethe's work on a Spark session of the caller's. What must be where: spark/README.md. */
public final class LetheSpark {
    private LetheSpark() { }

    /**
     * Scores all captured records of a run on queries, in one job; the scores are those of one process with
     * {@code spark.task.cpus} threads, bit for bit. The driver holds the model and none of the scores.
     *
     * @param run     its folder, at the same path on all machines
     * @param queries one query each; none for {@link ScoreMethod#SELF} alone
     * @param method  DOT, TRACIN, COSINE or SELF; others are the command's (spark/score.sh)
     * @param options as of one process; block bytes decide where the ledger may be cut
     * @param out     a folder that is not there, on any file system that Hadoop knows, for the result as Parquet: whole or not at all
     * @return what lies in out: query, record, key, epochs, score, by_site; a row a query and record, in no order
     * @throws dev.lethe.LetheException with an executor's words where one cannot do what it is asked
     */
    public static Dataset<Row> score(SparkSession spark, Path run, List<TextRecord> queries, ScoreMethod method, ScoreOptions options,
                                     String out) {
        if (method.curved() || method == ScoreMethod.ACT_GRAD || queries.isEmpty() != (method == ScoreMethod.SELF)) {
            throw new BadInputException("method " + method.label() + " of " + queries.size() + " queries: must be dot, tracin or cosine of"
                    + " some, or self of none");
        }
        Work.run("spark", () -> {
            int threads = spark.sparkContext().conf().getInt("spark.task.cpus", 1);
            try (Engine engine = Engine.open(Device.cpu(), Dtype.F32, threads); OpenModel open = OpenModel.open(engine, run)) {
                if (open.run() == null || !open.run().hasLedger()) {
                    throw new BadInputException(run + ": has no ledger, and scores need the gradients captured in training");
                }
                List<InfluenceQuery> asked = open.encode(queries, OnLong.ERROR).examples().stream()
                        .map(example -> new InfluenceQuery(example.id(), List.of(example))).toList();
                try (GradientLedger ledger = GradientLedger.open(open.run().ledger())) {
                    ledger.requireModel(open.run().info().source().modelHash());
                    LedgerBlocks blocks = new InfluenceScorer(open.model(), options).blocks(ledger.entries());
                    Pass pass = new Pass(run, open.model(), ledger, blocks, options, asked, List.of(method.weighing()), null);
                    SparkRows.run(spark, pass, (job, rows, check) -> RecordScores.write(spark, pass, job, rows, out, check));
                }
            }
        });
        return spark.read().parquet(out);
    }

    /**
     * Computes by shards the curvature that an erasure takes from the ledger, in one job: the folder is {@link EraseConfig#factors} of
     * that erasure. Its model is that of one process with {@code spark.task.cpus} threads, bit for bit. Executors read the run and
     * write into the folder alone.
     *
     * @param run    its folder, at the same path on all machines
     * @param query  for the records to erase
     * @param config of the erasure: gauss-newton with ledger_curvature, as yet without factors
     * @param out    a folder that is not there, to be seen by all machines at one path; after a failure some shards may lie in it
     * @throws dev.lethe.LetheException with an executor's words where one cannot do what it is asked
     */
    public static void factors(SparkSession spark, Path run, Query query, EraseConfig config, Path out) {
        if (Files.exists(out)) {
            throw new BadInputException(out + ": is there already; name another folder");
        }
        SparkContext context = spark.sparkContext();
        int cpus = context.conf().getInt("spark.task.cpus", 1);
        try (Engine engine = Engine.open(Device.cpu(), Dtype.F32, cpus); OpenRun open = OpenRun.open(engine, run)) {
            open.curvature(open.find(query), config, factors -> {
                int n = Math.clamp(2L * context.defaultParallelism() / cpus, 1, factors.most());
                Job.Place place = Job.Place.of(run, factors.model(), cpus);
                Refusals.run(context, FactorJob.of(place, factors, n, out), (job, refusals) -> {
                    context.setJobGroup(place.id(), "curvature of " + factors.entries().size() + " entries of " + run, true);
                    JavaSparkContext.fromSparkContext(context).parallelize(IntStream.rangeClosed(1, n).boxed().toList(), n)
                            .mapPartitions(new FactorJob.Task(job, refusals.all())).count();
                    refusals.check();
                });
                return factors.require(out, place.modelHash()); // all are here, and of one kind of machine
            });
        }
    }
}
