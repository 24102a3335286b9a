package dev.lethe.spark;

import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.influence.EntryRows;
import dev.lethe.influence.InfluenceQuery;
import dev.lethe.influence.InfluenceQuery.QueryVector;
import dev.lethe.influence.InfluenceScorer;
import dev.lethe.influence.LedgerBlocks;
import dev.lethe.ledger.GradientLedger;
import java.util.List;

/** What an executor has of a {@link ScoreJob} from task to task. Of who has the turn of its {@link Workplace}. */
record ScoreWork(ScoreJob job, LanguageModel model, GradientLedger ledger, LedgerBlocks blocks, List<InfluenceQuery> queries) {
    /** Takes rows as they come. */
    interface Taker {
        void take(RowBlock rows);
    }

    /** The rows of one of n shards, from 1. */
    void score(int i, int n, Taker taker) {
        EntryRows.Sink sink = new EntryRows.Sink() {
            private List<EntryRows.Asked> asked;
            private int turn = -1;

            @Override
            public void turn(List<EntryRows.Asked> queries) {
                asked = queries;
                turn++;
            }

            @Override
            public void rows(EntryRows rows) {
                taker.take(RowBlock.of(turn, asked, rows, blocks.entries()));
            }
        };
        InfluenceScorer scorer = new InfluenceScorer(model, job.options(model));
        LedgerBlocks.Shard shard = blocks.shard(i, n);
        if (queries.isEmpty()) {
            scorer.selfRows(ledger, blocks, shard, sink);
        } else {
            scorer.rows(ledger, blocks, shard, queries, job.weighings(), job.along() == null ? null : vector(), sink);
        }
    }

    private QueryVector vector() {
        return query -> {
            ParameterVector vector = model.buffer(Buffer.GRADIENT).zeros();
            vector.writeFloats(0, job.along()[queries.indexOf(query)]);
            return vector;
        };
    }
}
