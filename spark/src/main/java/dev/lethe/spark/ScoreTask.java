package dev.lethe.spark;

import java.util.Iterator;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.util.CollectionAccumulator;
import org.apache.spark.util.LongAccumulator;

/**
 * A task: the rows of the shards of its partition, which is one.
 *
 * @param n        shards in all
 * @param entries  counts those scored, for the eye; nothing depends on it
 * @param refusals takes why there are no rows, which then are none
 */
record ScoreTask(Broadcast<ScoreJob> job, int n, LongAccumulator entries, CollectionAccumulator<Refusal> refusals)
        implements FlatMapFunction<Iterator<Integer>, RowBlock> {
    @Override
    public Iterator<RowBlock> call(Iterator<Integer> shards) throws Exception {
        return Refusal.guarded(refusals, all -> {
            while (shards.hasNext()) {
                int i = shards.next();
                Workplace.in(job.value(), work -> work.score(i, n, rows -> {
                    all.add(rows);
                    entries.add(rows.turn() == 0 ? rows.entries().size() : 0);
                }));
            }
        });
    }
}
