/*
 * What an executor holds from task to task: one engine, one model, one open ledger. Its tasks take turns, for a model is one
 * thread's at a time; give a task all of its executor's cores. Whatever is not as the driver has it is refused before anything
 * is scored, with the executor's own words.
 */
package dev.lethe.spark;

import dev.lethe.base.BadInputException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.Work;
import dev.lethe.influence.EntryRows;
import dev.lethe.influence.InfluenceQuery;
import dev.lethe.influence.InfluenceQuery.QueryVector;
import dev.lethe.influence.InfluenceScorer;
import dev.lethe.influence.LedgerBlocks;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.run.RunFolder;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import dev.lethe.train.Trainer;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Semaphore;

/** The one of this process. */
final class Workplace {
    private static final Semaphore TURN = new Semaphore(1, true);
    private static Workplace held; // of who has the turn

    private final ScoreJob job;
    private final Engine engine;
    private final LanguageModel model;
    private final GradientLedger ledger;
    private final LedgerBlocks blocks;
    private final List<InfluenceQuery> queries;

    private Workplace(ScoreJob job) {
        this.job = job;
        requireSame("lethe and its libraries are", job.machine(), ScoreJob.here(), "install the driver's version; where only the"
                + " instruction set differs, set spark.executorEnv.LETHE_ISA=avx2 and LETHE_ISA=avx2 for the driver");
        RunFolder run = RunFolder.open(job.folder());
        if (job.base() != null) {
            Checkpoint.baseIn(Path.of(job.base()));
        }
        engine = Engine.open(Device.cpu(), Dtype.F32, job.threads());
        model = Checkpoint.load(engine, run.model(), Dtype.F32);
        GradientLedger opened = null;
        try {
            requireSame("the model in " + run.model() + " is", job.modelHash(), Trainer.modelHash(model), "let all machines see one run");
            opened = GradientLedger.open(run.ledger());
            blocks = job.blocks(opened);
            requireSame("the ledger in " + run.ledger() + " is", job.ledgerHash(), blocks.sha256(), "let all machines see one run; when it"
                    + " was erased from meanwhile, score again");
        } catch (RuntimeException e) {
            if (opened != null) {
                opened.close();
            }
            model.close();
            throw e;
        }
        ledger = opened;
        queries = job.queries().stream().map(ScoreJob.Question::query).toList();
    }

    private static void requireSame(String what, String driver, String here, String remedy) {
        if (!driver.equals(here)) {
            throw new BadInputException(what + " " + here + ", the driver's " + driver + "; " + remedy);
        }
    }

    /** The rows of one of a job's n shards, from 1; waits while another task of this process is at it. */
    static void score(ScoreJob job, int i, int n, Taker taker) {
        try {
            TURN.acquire();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedWorkException("the task was told to end", e);
        }
        try {
            Work.run("spark", () -> of(job).score(i, n, taker));
        } finally {
            TURN.release();
        }
    }

    private static Workplace of(ScoreJob job) {
        if (held == null || !held.job.id().equals(job.id())) {
            leave();
            held = new Workplace(job);
        }
        held.model.own();
        return held;
    }

    /** Frees what this process holds, after the task that is at it: where the driver is an executor too, nothing outlives its job. */
    static void end() {
        TURN.acquireUninterruptibly();
        try {
            Work.run("spark", Workplace::leave);
        } finally {
            TURN.release();
        }
    }

    private static void leave() {
        if (held != null) {
            held.model.own();
            held.ledger.close();
            held.model.close();
            held.engine.close();
            held = null;
        }
    }

    /** Takes rows as they come. */
    interface Taker {
        void take(RowBlock rows);
    }

    private void score(int i, int n, Taker taker) {
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
