package dev.lethe.spark;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
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
    public Iterator<RowBlock> call(Iterator<Integer> shards) {
        List<RowBlock> all = new ArrayList<>();
        try {
            while (shards.hasNext()) {
                Workplace.score(job.value(), shards.next(), n, rows -> {
                    all.add(rows);
                    entries.add(rows.turn() == 0 ? rows.entries().size() : 0);
                });
            }
        } catch (Throwable e) { // of Scala's code too, which declares none
            if (!Refusal.lacking(e) && !(e instanceof RuntimeException)) {
                throw e;
            }
            refusals.add(Refusal.lacking(e) ? Refusal.here("Lethe cannot be loaded (" + e + "); " + Refusal.LACKING, false)
                    : Refusals.of((RuntimeException) e));
            all.clear();
        }
        return all.iterator();
    }
}
