package dev.lethe.spark;

import dev.lethe.influence.EntryRows;
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
        List<RowBlock> rows = new ArrayList<>();
        while (shards.hasNext()) {
            Workplace.score(job.value(), shards.next(), n, new EntryRows.Sink() {
                private List<EntryRows.Asked> asked;
                private int turn = -1;

                @Override
                public void turn(List<EntryRows.Asked> queries) {
                    asked = queries;
                    turn++;
                }

                @Override
                public void rows(EntryRows block) {
                    rows.add(RowBlock.of(turn, asked, block));
                }
            });
        }
        rows.stream().filter(block -> block.turn() == 0).forEach(block -> entries.add(block.entries()));
        return rows.iterator();
    }
}
