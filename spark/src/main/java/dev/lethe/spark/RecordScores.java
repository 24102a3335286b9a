/*
 * Scores of records out of rows, where the rows are: each record's rows meet in one place and are summed there by the merger that
 * one process has, so that the driver holds none of them. Writes them as Parquet, whole or not at all.
 */
package dev.lethe.spark;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.influence.EntryRows;
import dev.lethe.influence.LedgerBlocks;
import dev.lethe.influence.RowSource.Pass;
import dev.lethe.influence.ScoreMerger;
import dev.lethe.influence.ScoreMerger.QueryScores;
import dev.lethe.influence.ScoreMethod.Weighing;
import dev.lethe.ledger.Entry;
import dev.lethe.run.RunFolder;
import dev.lethe.shape.Site;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import scala.Tuple2;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Sums rows.
 *
 * @param sites [S] names in the model's order
 * @param ids   of the run's records by their keys
 */
record RecordScores(Weighing weighing, List<String> sites, Broadcast<HashMap<String, String>> ids) implements Serializable {
    /** A row a query and record. */
    static final StructType SCHEMA = new StructType()
            .add("query", DataTypes.StringType, false)
            .add("record", DataTypes.StringType, false)
            .add("key", DataTypes.StringType, false)
            .add("epochs", DataTypes.IntegerType, false)
            .add("score", DataTypes.DoubleType, false)
            .add("by_site", DataTypes.createMapType(DataTypes.StringType, DataTypes.DoubleType, false), false);

    /**
     * Writes the scores of all of a pass's records.
     *
     * @param out a folder that is not there, on any file system that Hadoop knows
     * @param check throws where rows are missing
     * @throws BadInputException when it is there, or cannot be written
     */
    static void write(SparkSession spark, Pass pass, ScoreJob job, JavaRDD<RowBlock> rows, String out, Runnable check) {
        HashMap<String, String> ids = new HashMap<>();
        RunFolder.open(pass.run()).records().forEach(record -> ids.put(Entry.RecordKey.of(record.id()).toString(), record.id()));
        Broadcast<HashMap<String, String>> told = JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(ids);
        try {
            List<String> sites = pass.model().sites().stream().map(Site::name).toList();
            RecordScores scores = new RecordScores(pass.weighings().getFirst(), sites, told);
            write(spark, scores.of(spark, rows), out, job.place().id(), check);
        } finally {
            told.destroy();
        }
    }

    private Dataset<Row> of(SparkSession spark, JavaRDD<RowBlock> rows) {
        return spark.createDataFrame(rows.flatMapToPair(RecordScores::entries).groupByKey().flatMap(record -> scores(record._2())),
                SCHEMA);
    }

    private static Iterator<Tuple2<String, RowBlock>> entries(RowBlock block) {
        List<Tuple2<String, RowBlock>> entries = new ArrayList<>();
        for (int e = 0; e < block.entries().size(); e++) {
            entries.add(new Tuple2<>(block.entries().get(e).key().toString(), block.only(e)));
        }
        return entries.iterator();
    }

    /** Of one record: a ledger of its entries alone, by rising position. */
    private Iterator<Row> scores(Iterable<RowBlock> pieces) {
        List<RowBlock> rows = new ArrayList<>();
        pieces.forEach(rows::add);
        rows.sort(Comparator.comparingInt(RowBlock::turn).thenComparingInt(RowBlock::first));
        List<Entry> own = rows.stream().filter(row -> row.turn() == 0).map(row -> entry(row.first(), row.entries().getFirst())).toList();
        List<Row> scores = new ArrayList<>();
        ScoreMerger merger = new ScoreMerger(LedgerBlocks.of(own, Long.MAX_VALUE), sites.size(), List.of(weighing),
                (_, found) -> scores.add(row(found)));
        int turn = -1;
        int place = 0;
        for (RowBlock row : rows) {
            if (row.turn() != turn) {
                merger.turn(row.queries());
                turn = row.turn();
                place = 0;
            }
            merger.rows(new EntryRows(place++, row.norms(), row.products()));
        }
        merger.end();
        return scores.iterator();
    }

    private static Entry entry(int position, RowBlock.Captured captured) {
        return new Entry(new Entry.EntryHeader(captured.key(), captured.epoch(), 0, captured.learningRate(), 1, 1, 0), 0, position, 1,
                false, false);
    }

    private Row row(QueryScores found) {
        QueryScores.RecordScore only = found.records().getFirst();
        Map<String, Double> bySite = new LinkedHashMap<>();
        for (int s = 0; s < sites.size(); s++) {
            if (only.bySite()[s] != 0) {
                bySite.put(sites.get(s), only.bySite()[s]);
            }
        }
        String key = only.key().toString();
        return RowFactory.create(found.query(), ids.value().getOrDefault(key, key), key, only.epochs(), only.total(),
                CollectionConverters.asScala(bySite));
    }

    /** Beside its place, and then by one rename. */
    private static void write(SparkSession spark, Dataset<Row> scores, String out, String id, Runnable check) {
        Path place = new Path(out);
        Path part = new Path(place.getParent(), "." + place.getName() + ".part-" + id);
        try {
            FileSystem files = place.getFileSystem(spark.sparkContext().hadoopConfiguration());
            requireFree(files, place);
            try {
                scores.write().parquet(part.toString());
                check.run();
                requireFree(files, place);
                if (!files.rename(part, place)) {
                    throw new IOException("it cannot be put in its place");
                }
            } finally {
                files.delete(part, true);
            }
        } catch (IOException e) {
            throw new BadInputException(out + ": " + Reason.of(e), e);
        }
    }

    private static void requireFree(FileSystem files, Path place) throws IOException {
        if (files.exists(place)) {
            throw new BadInputException(place + ": is there already; name another folder");
        }
    }
}
