package dev.lethe;

import dev.lethe.base.BadInputException;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.engine.MpiGroup;
import dev.lethe.engine.Work;
import dev.lethe.erase.Census;
import dev.lethe.erase.OpenRun;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.Query;
import dev.lethe.prove.Prover;
import dev.lethe.report.ReportWriter;
import dev.lethe.report.RunReport;
import dev.lethe.results.EraseListener;
import dev.lethe.results.Erasure;
import dev.lethe.results.Evaluation;
import dev.lethe.results.Proof;
import dev.lethe.results.Score;
import dev.lethe.results.Trace;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.settings.AdoptConfig;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.ProofRequest;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import dev.lethe.train.Adopter;
import dev.lethe.train.Ranks;
import dev.lethe.train.Trainer;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The door: everything that Lethe does for a program, on one device. Long work is a {@link Job}, which runs on the executor
 * while native threads of Lethe's own compute for it; what is short is done at once. Any thread.
 *
 * <pre>{@code
 * try (Lethe lethe = Lethe.open(); Run run = lethe.open(Path.of("runs/tofu"))) {
 *     ForgetSet forget = run.find(Query.subject("author-199")); // scores and reasons; nothing changed yet
 *     Erasure erasure = lethe.erase(run, forget, EraseConfig.defaults(), Path.of("runs/tofu-2")).join();
 *     erasure.after().forget();
 * }
 * }</pre>
 *
 * What a job fails with is thrown by {@link Job#join}; what is wrong with a request as it stands may be thrown at once.
 */
public final class Lethe implements AutoCloseable {
    private final Engine engine;
    private final Executor executor;
    private final ExecutorService own; // the executor, when nobody gave one
    private final Consumer<Job<?>> listener;
    private final TrainListener training;
    private final EraseListener erasing;
    private final Set<Job<?>> open = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;

    private Lethe(Builder builder) {
        if (builder.libtorch != null) {
            Engine.libtorch(builder.libtorch);
        }
        Engine here = Engine.open(builder.device, builder.compute, builder.threads);
        engine = builder.ranks ? here.among(() -> new Ranks(MpiGroup.join())) : here;
        own = builder.executor == null ? Executors.newVirtualThreadPerTaskExecutor() : null;
        executor = own == null ? builder.executor : own;
        listener = builder.listener;
        training = builder.training;
        erasing = builder.erasing;
    }

    /**
     * What works here.
     *
     * @param lethe          version of the library
     * @param torch          version of the libtorch in use
     * @param instructionSet of the CPU's loops: avx2, avx512 or avx512_bf16
     * @param cudaDevices    CUDA devices that can be used now
     */
    public record About(String lethe, String torch, String instructionSet, int cudaDevices) { }

    /**
     * What works here; loads the native library on first use.
     *
     * @return versions and devices
     */
    public static About about() {
        Engine.BuildInfo build = Engine.buildInfo();
        return new About(RunInfo.VERSION, build.torchVersion(), build.isa(), build.cudaDevices());
    }

    /**
     * On the CPU, as {@link #builder} has it.
     *
     * @return it, open
     */
    public static Lethe open() {
        return builder().build();
    }

    /**
     * A builder: the CPU, float32, a native thread a core, each job at once on a virtual thread.
     *
     * @return a new one
     */
    public static Builder builder() {
        return new Builder();
    }

    /** Collects what a {@link Lethe} is made of. Not thread-safe. */
    public static final class Builder {
        private Device device = Device.cpu();
        private Dtype compute = Dtype.F32;
        private int threads;
        private boolean ranks;
        private Path libtorch;
        private Executor executor;
        private Consumer<Job<?>> listener = _ -> { };
        private TrainListener training = TrainListener.silent();
        private EraseListener erasing = EraseListener.NONE;

        private Builder() { }

        /** {@return this} Where the arithmetic runs; a device that is not there is an error, never another device.
         * @param value it */
        public Builder device(Device value) { device = value; return this; }

        /** {@return this} F32, or BF16: activations and matrix products in bfloat16, weights and sums in float32.
         * @param value it */
        public Builder compute(Dtype value) { compute = value; return this; }

        /** {@return this} Native threads of a job, 1 to 1024, 0 = one a core; those of jobs side by side add up.
         * @param value it */
        public Builder threads(int value) { threads = value; return this; }

        /**
         * That mpirun or srun has started this process as one of several which share its trainings and erasures: all make the same
         * calls, on the thread that builds and closes this. {@code train}, {@code resume} and {@code erase} alone; once a process, on
         * the CPU.
         *
         * @param value whether
         * @return this
         */
        public Builder ranks(boolean value) {
            ranks = value;
            return this;
        }

        /** {@return this} The libtorch of the process, a folder with lib/libtorch_cpu.so; what else may name one: docs/embedding.md.
         * @param value it */
        public Builder libtorch(Path value) { libtorch = value; return this; }

        /** {@return this} What jobs run on, which the program closes: a thread waits while native ones work for it, so virtual ones do.
         * One that runs them on the calling thread makes every method here wait.
         * @param value it */
        public Builder executor(Executor value) { executor = value; return this; }

        /** {@return this} Told of a job whenever it has come further, and at its end; on its thread, and to return soon. What it throws
         * while the job is at work fails the job; what it throws at the end is logged and changes nothing.
         * @param value it */
        public Builder listener(Consumer<Job<?>> value) { listener = value; return this; }

        /** {@return this} Told of every step of every training and adoption, for who shows more than {@link Job#progress}.
         * @param value it */
        public Builder training(TrainListener value) { training = value; return this; }

        /** {@return this} Told of every move of every erasure.
         * @param value it */
        public Builder erasing(EraseListener value) { erasing = value; return this; }

        /**
         * Loads the native library on first use.
         *
         * @return the door, open
         * @throws LetheException of code INPUT when the library or the device is not there; the message says what to do
         */
        public Lethe build() {
            return new Lethe(this);
        }
    }

    /**
     * Trains a model on records into a new run.
     *
     * @param run a folder that does not exist or is empty
     * @param model a model folder, a new adapter on one, or a fresh shape
     * @param data what to learn
     * @param config how
     * @return the complete run; INPUT when the numbers stop being finite; cancelled, it goes on with {@link #resume}
     */
    public Job<Run> train(ModelSource model, Dataset data, Path run, TrainConfig config) {
        return job("train", progress -> opened(Trainer.train(engine, model, data, run, config, Telling.training(progress, training))));
    }

    /**
     * Goes on with a training or adoption that was cancelled or killed, as it was begun; a complete run is the result as it is.
     *
     * @param run a run's folder
     * @return the complete run
     */
    public Job<Run> resume(Path run) {
        return job("resume", progress -> opened(Trainer.resume(engine, run, Telling.training(progress, training))));
    }

    /**
     * As the other, and refuses another training: of other settings than are given, or other records.
     *
     * @param run a run's folder
     * @param expected settings that it must have been begun with
     * @param data what to learn
     * @return the complete run
     */
    public Job<Run> resume(Path run, TrainConfig expected, Dataset data) {
        return job("resume", progress -> opened(Trainer.resume(engine, run, expected, data, Telling.training(progress, training))));
    }

    /**
     * Makes a run of a model that was trained elsewhere, and the records it was trained on.
     *
     * @param model a model folder, or an adapter's
     * @param run a folder that does not exist or is empty
     * @param data what to learn
     * @param config how
     * @return the complete run
     */
    public Job<Run> adopt(ModelSource.Pretrained model, Dataset data, Path run, AdoptConfig config) {
        return job("adopt", progress -> opened(Adopter.adopt(engine, model, data, run, config.training(),
                new Adopter.Asked(config.base(), config.measureRate(), config.epochsAssumed(), config.force()),
                Telling.training(progress, training))));
    }

    /**
     * Opens a complete run; its records and its model are read when first needed.
     *
     * @param run a run's folder
     * @return it, open
     */
    public Run open(Path run) {
        return open(run, null);
    }

    /**
     * As {@link #open(Path)}; {@code data} stands in for the run's data file, which may have moved.
     *
     * @param run a run's folder
     * @param data what to learn
     * @return it, open
     */
    public Run open(Path run, @Nullable Dataset data) {
        requireOpen();
        return new Run(OpenRun.open(engine, run, data));
    }

    /** What a job has made, closed or not meanwhile: it is complete. */
    private Run opened(RunFolder run) {
        return new Run(OpenRun.open(engine, run.root()));
    }

    /**
     * Finds learned records and erases them into a new run; as {@link #erase(Run, ForgetSet, EraseConfig, Path)}.
     *
     * @param run a complete run's folder
     * @param what which records
     * @param config how
     * @param out a folder that does not exist or is empty
     * @return the account
     */
    public Job<Erasure> erase(Path run, Query what, EraseConfig config, Path out) {
        return job("erase", progress -> Ranks.of(engine).together(() -> {
            try (OpenRun source = OpenRun.open(engine, run)) {
                return source.erase(source.find(what), config, out, Telling.erasing(progress, erasing));
            }
        }));
    }

    /**
     * Erases records into a new run, and destroys their stored gradients in every run of the lineage.
     *
     * @param what found by {@link Run#find}
     * @param out a folder that does not exist or is empty
     * @param run a run's folder
     * @param config how
     * @return the account, which the new run keeps in its journal. REFUSED when the reference cannot be reached within
     *     the guards,
     *         and then nothing is changed; DAMAGED when the new run is there and something of the erased could not be destroyed:
     *         {@link #finish} goes on with it
     */
    public Job<Erasure> erase(Run run, ForgetSet what, EraseConfig config, Path out) {
        return job("erase", progress -> run.open.erase(what, config, out, Telling.erasing(progress, erasing)));
    }

    /**
     * Erases what records say without looking for them among those learned (Zagardo 2024, iterative unlearning): ascends along
     * the request's own gradients in rounds until its influence is gone. Nothing leaves the run's records or its ledger.
     *
     * @param what the records to forget, in their own words
     * @param config with {@link EraseConfig#iterative()}
     * @param run a run's folder
     * @param out a folder that does not exist or is empty
     * @return the account
     */
    public Job<Erasure> eraseUnmatched(Run run, List<TextRecord> what, EraseConfig config, Path out) {
        return job("erase", progress -> run.open.eraseUnmatched(what, config, out, Telling.erasing(progress, erasing)));
    }

    /**
     * Destroys what the runs of a lineage still hold of erased records when an erasure was cut off there.
     *
     * @param run   any run of the lineage
     * @param gone  runs of it that were deleted, by the caller's word
     * @param found where runs of it have moved to
     * @return the accounts of the erasures that were finished, none when none was pending; DAMAGED while something is left
     */
    public Job<List<Erasure>> finish(Path run, List<Path> gone, List<Path> found) {
        return job("finish", _ -> OpenRun.finish(run, gone, found));
    }

    /**
     * Measures a run's model on the records that it learned.
     *
     * @param run a run's folder
     * @return the measures
     */
    public Job<Evaluation> evaluate(Path run) {
        return evaluate(run, null);
    }

    /**
     * Measures a run's model on these records; null is those that it learned.
     *
     * @param run a run's folder
     * @param records which
     * @return the measures
     */
    public Job<Evaluation> evaluate(Path run, @Nullable Dataset records) {
        return job("evaluate", progress -> {
            try (OpenRun source = OpenRun.open(engine, run)) {
                return evaluate(source, records == null ? source.records() : records.records(), progress);
            }
        });
    }

    /**
     * Measures an open run's model on these records; the model is read once and stays as long as the run is open.
     *
     * @param run a run's folder
     * @param records which
     * @return the measures
     */
    public Job<Evaluation> evaluate(Run run, List<TextRecord> records) {
        return job("evaluate", progress -> evaluate(run.open, records, progress));
    }

    private static Evaluation evaluate(OpenRun run, List<TextRecord> records, Consumer<Job.Progress> progress) {
        return run.evaluate(records, done -> progress.accept(new Job.Progress("evaluating", done, records.size(), "")));
    }

    /**
     * Ranks a run's learned records by the inner product of their captured gradients with the mean gradient of these (docs/influence.md,
     * {@code dot}): by how much a step on one would lower the loss of the others.
     *
     * @param query what to explain, such as a prompt and the model's answer
     * @param run a run's folder
     * @return every record with a captured gradient, highest first
     */
    public Job<List<Score>> score(Run run, List<TextRecord> query) {
        return job("score", _ -> run.open.score(query));
    }

    /**
     * Attacks an erased run's model for what it was made to forget, and writes {@code proof/} into the run.
     *
     * @param request which run, beside what
     * @return the findings; a page of them is in the run
     */
    public Job<Proof> prove(ProofRequest request) {
        return job("prove", progress -> Prover.prove(engine, request, (attack, model, share) -> progress.accept(
                new Job.Progress("proving", Math.round(1000 * share), 1000, attack + ", " + model))));
    }

    /** Whose text a report shows. */
    public enum Shown {
        /** Nobody's. */
        NONE,
        /** That of records that are kept. */
        KEPT,
        /** That of erased ones too. */
        ERASED_TOO
    }

    /**
     * Writes report.html, report.json and pictures on a run: what was done, and what its model knows.
     *
     * @param reference a run or model folder that never saw the erased records, or null
     * @param shown whose text it quotes
     * @param folder where to, or null for the run's {@code report}
     * @param run a run's folder
     * @return the page
     */
    public Job<Path> report(Path run, @Nullable Path reference, Shown shown, @Nullable Path folder) {
        return job("report", _ -> Work.run("report", () -> {
            RunFolder of = RunFolder.open(run);
            Path to = folder == null ? of.report() : folder;
            var data = RunReport.of(engine, run, reference, RunReport.Text.valueOf(shown.name()));
            Work.check(run + ": the report was interrupted, nothing is written");
            of.keep(() -> ReportWriter.write(data, to));
            return to.resolve("report.html");
        }));
    }

    /**
     * Looks through a run and all that it names for what may still tell of records: files of runs, data, what others put there.
     *
     * @param records to look for, by their ids and texts
     * @param run a run's folder
     * @return the places, whether anything was found there or not
     */
    public Job<List<Trace>> traces(Path run, List<TextRecord> records) {
        return job("traces", _ -> Work.run("traces", () -> Census.of(run, Census.Search.of(records))));
    }

    private <T> Job<T> job(String kind, Job.Body<T> body) {
        requireOpen();
        if (engine.group().size() > 1 && !List.of("train", "resume", "erase").contains(kind)) {
            throw new BadInputException(kind + ": ranks share trainings and erasures alone; do this in one process without them");
        }
        Job<T> job = new Job<>(kind, body, one -> {
            if (one.state().ended()) {
                open.remove(one); // first, for a listener may throw
            }
            listener.accept(one);
        });
        open.add(job);
        if (closed) { // meanwhile, by who may not have seen it
            job.cancel();
            requireOpen();
        }
        try {
            executor.execute(job::run);
        } catch (RejectedExecutionException e) {
            job.refused(e);
        }
        return job;
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("this Lethe is closed");
        }
    }

    /**
     * Cancels every job that has not ended, and waits for their ends; a listener may still be being told of them. Called by a
     * listener of a job at work it waits for none, since it would wait for itself. Runs stay open until they are closed themselves.
     */
    @Override
    public void close() {
        closed = true;
        List<Job<?>> left = List.copyOf(open);
        left.forEach(Job::cancel);
        if (own != null) {
            own.shutdown(); // its threads end with the jobs, and this may be one of them
        }
        if (left.stream().noneMatch(Job::mine)) {
            left.forEach(job -> job.future().handle((_, _) -> null).join());
            engine.close();
        }
    }
}
