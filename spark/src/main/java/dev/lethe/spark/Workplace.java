/*
 * What an executor holds from task to task: one engine, one model, one open ledger. Its tasks take turns, for a model is one
 * thread's at a time; give a task all of its executor's cores. Whatever is not as the driver has it is refused before anything
 * is computed, with the executor's own words.
 */
package dev.lethe.spark;

import dev.lethe.base.BadInputException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.Work;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.run.RunFolder;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import dev.lethe.train.Trainer;
import java.nio.file.Path;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;

/**
 * The one of this process.
 *
 * @param <W> what its job makes of it
 */
final class Workplace<W> {
    private static final Semaphore TURN = new Semaphore(1, true);
    private static Workplace<?> held; // of who has the turn

    private final Job<W> job;
    private final Engine engine;
    private final LanguageModel model;
    private final GradientLedger ledger;
    private final W work;

    private Workplace(Job<W> job) {
        this.job = job;
        Job.Place place = job.place();
        requireSame("lethe and its libraries are", place.machine(), Job.Place.here(), "install the driver's version; where only the"
                + " instruction set differs, set spark.executorEnv.LETHE_ISA=avx2 and LETHE_ISA=avx2 for the driver");
        RunFolder run = RunFolder.open(place.folder());
        if (place.base() != null) {
            Checkpoint.baseIn(Path.of(place.base()));
        }
        engine = Engine.open(Device.cpu(), Dtype.F32, place.threads());
        model = Checkpoint.load(engine, run.model(), Dtype.F32);
        GradientLedger opened = null;
        try {
            requireSame("the model in " + run.model() + " is", place.modelHash(), Trainer.modelHash(model), "let all machines see one run");
            opened = GradientLedger.open(run.ledger());
            work = job.open(engine, model, opened);
        } catch (RuntimeException e) {
            if (opened != null) {
                opened.close();
            }
            model.close();
            throw e;
        }
        ledger = opened;
    }

    static void requireSame(String what, String driver, String here, String remedy) {
        if (!driver.equals(here)) {
            throw new BadInputException(what + " " + here + ", the driver's " + driver + "; " + remedy);
        }
    }

    /** A task of a job; waits while another task of this process is at it. */
    static <W> void in(Job<W> job, Consumer<W> task) {
        try {
            TURN.acquire();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedWorkException("the task was told to end", e);
        }
        try {
            Work.run("spark", () -> task.accept(of(job).work));
        } finally {
            TURN.release();
        }
    }

    @SuppressWarnings("unchecked") // a job's id is its alone
    private static <W> Workplace<W> of(Job<W> job) {
        if (held == null || !held.job.place().id().equals(job.place().id())) {
            leave();
            held = new Workplace<>(job);
        }
        held.model.own();
        return (Workplace<W>) held;
    }

    /** Frees what this process holds, after the task that is at it: where the driver is an executor too, nothing outlives its job. */
    static void end() {
        TURN.acquireUninterruptibly();
        try {
            Work.run("spark", () -> leave());
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
}
