package dev.lethe.spark;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.util.LongAccumulator;

/**
 * A task: the rows of the shards of its partition, which is one.
 *
 * @param n       shards in all
 * @param entries counts those scored, for the eye; nothing depends on it
 */
record ScoreTask(Broadcast<ScoreJob> job, int n, LongAccumulator entries) implements FlatMapFunction<Iterator<Integer>, RowBlock> {
    @Override
    public Iterator<RowBlock> call(Iterator<Integer> shards) {
        List<RowBlock> all = new ArrayList<>();
        while (shards.hasNext()) {
            Workplace.score(job.value(), shards.next(), n, rows -> {
                all.add(rows);
                entries.add(rows.turn() == 0 ? rows.entries().size() : 0);
            });
        }
        return all.iterator();
    }
}
