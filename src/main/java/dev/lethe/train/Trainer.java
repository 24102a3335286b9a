/*
 * Sets a training up and sees it through: checks everything before a file is written, makes or reopens the run folder,
 * runs the loop, and puts the model in place. The loop is Training's; the files are RunFolder's.
 */
package dev.lethe.train;

import dev.lethe.base.BadInputException;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.base.Sha256;
import dev.lethe.data.Dataset;
import dev.lethe.engine.Base;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.RankGroup.RankException;
import dev.lethe.engine.Work;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.results.TrainListener;
import dev.lethe.results.TrainListener.TrainPlan;
import dev.lethe.run.RunData;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunInfo.Adopted;
import dev.lethe.run.RunLock;
import dev.lethe.run.RunRecord;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.settings.Lora;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.MemoryPlan;
import dev.lethe.text.Example;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.function.Function;

/**
 * Training of a run. Stateless; the methods block until the training ends and may be called from any thread, which need
 * not be the one that opened the engine. Listeners are told on the training's own thread ({@link Work}). An interrupt ends
 * a training within a step, with a checkpoint of the last whole one, and {@link dev.lethe.base.InterruptedWorkException};
 * {@link #resume} goes on from there.
 */
public final class Trainer {
    private static final System.Logger LOG = System.getLogger("dev.lethe.train");

    private Trainer() { }

    /**
     * Trains a model on records into a new run.
     *
     * @param out a folder that does not exist or is empty
     * @return the complete run
     * @throws BadInputException when data, model, options, folder or disk do not allow it, and nothing is written then; when the numbers
     *                           stop being finite
     */
    public static RunFolder train(Engine engine, ModelSource source, Dataset data, Path out, TrainConfig asked,
                                  TrainListener listener) {
        return train(engine, source, data, Set.of(), out, asked, listener);
    }

    /**
     * As {@link #train(Engine, ModelSource, Dataset, Path, TrainConfig, TrainListener)}, in the same order and with some records left
     * out of it: what a {@link Replay} without them comes to, bit for bit. A step's loss is the mean over the target tokens
     * that remain in its batch; a step of which none remain counts in the schedule and moves nothing.
     *
     * @param masked ids of records to learn
     */
    public static RunFolder train(Engine engine, ModelSource source, Dataset data, Set<String> masked, Path out, TrainConfig asked,
                                  TrainListener listener) {
        return shared(engine, out, ranks -> {
            if (ranks.leads()) {
                RunFolder.requireFree(out);
            }
            try (LoadedModel loaded = LoadedModel.load(engine, source, asked.dtype(), asked.seed())) {
                TrainConfig config = asked.settled(loaded.model().shape(), false);
                Holdout all = Holdout.of(data, config);
                RunInfo.Plan plan = Late.plan(all, config, masked);
                Holdout split = new Holdout(all.train().filter(record -> !masked.contains(record.id())), all.holdout());
                EncodedRecords encoded = EncodedRecords.of(split, loaded, config);
                return begin(engine, source, loaded, split, encoded, encoded.records(split, config.keepText()), config, null, plan, out,
                        listener);
            }
        });
    }

    /** Work on a run, which ranks may share: one that is lost ends all, and the run is to be gone on with. */
    private static RunFolder shared(Engine engine, Path out, Function<Ranks, RunFolder> body) {
        Ranks ranks = Ranks.of(engine);
        return Work.run("training", () -> {
            try {
                return ranks.together(() -> body.apply(ranks));
            } catch (RankException e) {
                throw !e.lost() || ranks.within() || !RunFolder.isRun(out) ? e : RankException.lost(Reason.of(e) + "; " + out
                        + " stands at the checkpoint of step " + TrainCheckpoint.last(RunFolder.openAny(out))
                        + "; resume it, on as many ranks as there are", e);
            }
        });
    }

    /** What must be the same on every rank; nothing is written before that is known. */
    private static void requireSame(Ranks ranks, Path out, RunInfo info) {
        if (!ranks.alone()) {
            ranks.requireSameBuild();
            ranks.requireSame("the run's folder", absolute(out));
            ranks.requireSameParts("options", info.config());
            ranks.requireSame("data (SHA-256 of its records)", info.data().sha256());
            ranks.requireSame("the model to begin with (SHA-256)", info.source().modelHash());
            if (info.config().ledgerKeys() != null) {
                throw new BadInputException("ledger_keys with ranks: a ledger that several ranks write cannot lie under keys; train without"
                        + " keys, and put it under keys when it is complete (docs/ledger.md)");
            }
        }
    }

    /** Makes the run's folder and trains in it, or, of an adopted model, captures. */
    static RunFolder begin(Engine engine, ModelSource source, LoadedModel loaded, Holdout split, EncodedRecords encoded,
                           List<RunRecord> records, TrainConfig config, Adopted adopted, RunInfo.Plan plan, Path out,
                           TrainListener listener) {
        Ranks ranks = Ranks.of(engine);
        RunInfo info = new RunInfo(RunInfo.FORMAT, RunInfo.VERSION, RunInfo.State.TRAINING, describe(source, loaded.model()),
                describe(split, config, encoded, records), config, machine(engine), null, null, null, adopted, plan);
        requireSame(ranks, out, info);
        if (!ranks.leads()) {
            ranks.meet();
            return toEnd(engine, openAsShared(out), loaded, encoded, listener);
        }
        DiskNeed.of(loaded.model(), encoded.train(), config, plan).require(out);
        LedgerCapture.keys(config, out);
        RunFolder.makeFree(out);
        try (var _ = RunLock.take(out.resolve(RunFolder.LOCK))) {
            RunFolder run = RunFolder.create(out, info, records);
            ranks.meet();
            return toEnd(engine, run, loaded, encoded, listener);
        }
    }

    private static RunFolder openAsShared(Path out) {
        if (!RunFolder.isRun(out)) {
            throw new BadInputException(out + ": rank 0 has begun the run and this rank does not see it; name a folder on a file system"
                    + " that all ranks share");
        }
        return RunFolder.openAny(out);
    }

    /** Goes on with a training that was stopped or killed, as it was begun; a complete run is returned as it is. */
    public static RunFolder resume(Engine engine, Path out, TrainListener listener) {
        return resume(engine, out, null, null, listener);
    }

    /**
     * Goes on with a training that was stopped or killed, from its last checkpoint; the result is the same, byte for
     * byte, as if it had not been stopped. A complete run is returned as it is.
     *
     * @param expected options that the run must have been begun with, as far as they are not left open, or null for any
     * @param data     the records, or null to read them from where they were
     * @throws BadInputException when options, data, initial weights or version differ from those of the run; the message
     *                           has both values
     */
    public static RunFolder resume(Engine engine, Path out, TrainConfig expected, Dataset data, TrainListener listener) {
        return shared(engine, out, ranks -> {
            RunFolder run = RunFolder.openAny(out);
            TrainConfig config = run.info().config();
            requireSame(ranks, out, run.info());
            List<String> differences = expected == null ? List.of() : config.differences(expected.settled(config));
            if (!differences.isEmpty()) {
                throw new BadInputException(out + ": was begun with other options, " + String.join("; ", differences)
                        + "; resume with the same, or train into a new folder");
            }
            if (run.info().state() == RunInfo.State.COMPLETE) {
                return run;
            }
            try (var _ = ranks.leads() ? RunLock.take(out.resolve(RunFolder.LOCK)) : null;
                    LoadedModel loaded = LoadedModel.load(engine, run.info().source().again(), config.dtype(),
                            config.seed())) {
                RunFolder now = RunFolder.openAny(out);
                ranks.requireSame("the state of the run", now.info().state().toString());
                if (now.info().state() == RunInfo.State.COMPLETE) {
                    return now; // by another process, before this one had the lock
                }
                requireSameModel(out, run.info().source(), loaded.model());
                if (ranks.leads()) {
                    warnOfMachine(run, machine(engine));
                }
                Holdout split = new Holdout(RunData.read(run, Split.TRAIN, data), RunData.read(run, Split.HOLDOUT, data));
                EncodedRecords encoded = EncodedRecords.of(split, loaded, config);
                requireSame(out, "data", run.info().data().sha256(),
                        RunData.hash(encoded.records(split, config.keepText())));
                return toEnd(engine, run, loaded, encoded, listener);
            }
        });
    }

    /** The weights alone do not tell heads. */
    static void requireSameModel(Path out, RunInfo.Source source, LanguageModel model) {
        if (!model.shape().equals(source.shape())) {
            throw new BadInputException(out + ": was begun with a model of " + source.shape() + ", now " + model.shape()
                    + "; bring back what it was begun with, or train into a new folder");
        }
        requireSame(out, "weights to begin with", source.modelHash(), modelHash(model));
    }

    static void requireSame(Path out, String what, String was, String is) {
        if (!was.equals(is)) {
            throw new BadInputException(out + ": was begun with other " + what + ", SHA-256 " + was + ", now " + is
                    + "; bring back what it was begun with, or train into a new folder");
        }
    }

    static void warnOfMachine(RunFolder run, RunInfo.Machine now) {
        if (!run.info().machine().equals(now)) {
            LOG.log(System.Logger.Level.WARNING, "{0}: begun on {1}, resumed on {2}; the result is not bit for bit that of "
                    + "an unstopped training", run, run.info().machine(), now);
        }
    }

    static RunFolder toEnd(Engine engine, RunFolder run, LoadedModel loaded, EncodedRecords encoded, TrainListener listener) {
        LanguageModel model = loaded.model();
        TrainConfig config = run.info().config();
        RunInfo.Plan plan = run.info().plan();
        Ranks ranks = Ranks.of(engine);
        List<Long> kept = plan == null ? List.of() : plan.kept();
        DiskNeed need = DiskNeed.of(model, encoded.train(), config, plan);
        MemoryPlan memory = MemoryNeed.of(engine, model, encoded.train(), config);
        long microTokens = MemoryNeed.microTokens(engine, memory);
        Training.Inputs inputs = new Training.Inputs(encoded.train(), encoded.holdout(),
                ranks.leads() ? listener : TrainListener.silent(), microTokens, ranks);
        long steps;
        double loss;
        try (Training training = new Training(run, model, inputs)) {
            inputs.listener().started(new TrainPlan(encoded.train().size(), encoded.holdout().size(), encoded.truncated(),
                    encoded.targets(), training.steps(), training.done(), model.parameters(), need.ledgerBytes(), need.total(),
                    kept, kept.size() * TrainCheckpoint.bytes(model), BatchSizes.of(encoded.train(), config, 0).tokens(), memory,
                    microTokens));
            training.toEnd();
            training.requireSameWeights();
            steps = training.allSteps();
            loss = training.lastLoss();
        } catch (UncheckedIOException e) {
            throw new BadInputException(Reason.of(e) + "; see that the disk is well and has room, then resume", e);
        }
        ranks.meet(); // every ledger is closed
        RunFolder complete = ranks.leads() ? finish(run, loaded, steps, loss, listener) : null;
        ranks.meet();
        return ranks.leads() ? complete : RunFolder.openAny(run.root());
    }

    /** The ledger is closed by now. */
    private static RunFolder finish(RunFolder run, LoadedModel loaded, long steps, double loss, TrainListener listener) {
        try {
            PrivateFiles.folder(run.model(), loaded::save);
            RunInfo.Result result = new RunInfo.Result(steps, loss, modelHash(loaded.model()),
                    Checkpoint.settingsHash(run.model()), ledgerSummary(run));
            RunFolder complete = run.save(run.info().withResult(result).withState(RunInfo.State.COMPLETE));
            TrainCheckpoint.remove(run, null);
            Files.deleteIfExists(run.root().resolve(RunFolder.LOCK));
            listener.finished(complete.root());
            return complete;
        } catch (IOException e) {
            throw new BadInputException(run + ": finishing the run: " + Reason.of(e)
                    + "; see that the disk is well and has room, then resume", e);
        }
    }

    private static RunInfo.Ledger ledgerSummary(RunFolder run) {
        if (!run.hasLedger()) {
            return null;
        }
        try (GradientLedger ledger = GradientLedger.open(run.ledger())) {
            return new RunInfo.Ledger(ledger.manifest().sites(), ledger.manifest().headTopK(), ledger.manifest().dtype(),
                    ledger.entries().size(), ledger.bytes());
        }
    }

    private static RunInfo.Source describe(ModelSource source, LanguageModel model) {
        String hash = modelHash(model);
        Base.Files base = model.base() == null ? null : model.base().files();
        return switch (source) {
            case ModelSource.Pretrained(Path folder, Path _) -> new RunInfo.Source(absolute(folder), model.shape(), null, hash,
                    base == null ? null : new RunInfo.Base(base.folder().toString(), base.sha256(), null));
            case ModelSource.Adapted(Path _, Lora lora) -> new RunInfo.Source(null, model.shape(), null, hash,
                    new RunInfo.Base(base.folder().toString(), base.sha256(), lora.toString()));
            case ModelSource.Fresh(var shape, Path tokenizer) ->
                    new RunInfo.Source(null, shape, tokenizer == null ? null : absolute(tokenizer), hash);
        };
    }

    static RunInfo.Data describe(Holdout split, TrainConfig config, EncodedRecords encoded, List<RunRecord> records) {
        return new RunInfo.Data(absolute(split.train().path()),
                config.holdoutData() == null ? null : absolute(config.holdoutData()), RunData.hash(records),
                encoded.train().size(), encoded.holdout().size(), encoded.truncated(), encoded.targets(), split.train().form());
    }

    static RunInfo.Machine machine(Engine engine) {
        String device = engine.device() + (engine.compute() == Dtype.F32 ? "" : " computing in bf16") + Ranks.of(engine);
        return new RunInfo.Machine(device, engine.threads(), Engine.buildInfo().torchVersion());
    }

    static String absolute(Path path) {
        return path.toAbsolutePath().normalize().toString();
    }

    /** SHA-256, lower-case hex, of a model's parameters as they lie in its flat buffer, in its dtype; of adapters their base's before. */
    public static String modelHash(LanguageModel model) {
        MessageDigest digest = Sha256.digest();
        if (model.base() != null) {
            digest.update(HexFormat.of().parseHex(model.base().files().sha256()));
        }
        long chunk = 1 << 20;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment numbers = arena.allocate(chunk * model.dtype().bytes());
            for (long at = 0; at < model.flatSize(); at += chunk) {
                long count = Math.min(chunk, model.flatSize() - at);
                model.buffer(Buffer.PARAMETERS).read(at, count, model.dtype(), numbers);
                digest.update(numbers.asSlice(0, count * model.dtype().bytes()).asByteBuffer());
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /** What a training takes of the device's or the machine's memory, held against what there is. */
    static final class MemoryNeed {
        private static final double SHARE = 0.9; // of what is free; libraries' workspaces and fragments take the rest

        private MemoryNeed() { }

        /** The plan of a training's largest batch; what the model holds already counts as available. */
        static MemoryPlan of(Engine engine, LanguageModel model, List<Example> examples, TrainConfig config) {
            BatchSizes sizes = BatchSizes.of(examples, config, 0);
            boolean captures = config.capture() != CapturePolicy.NONE && model.device().kind() != Device.Kind.CPU;
            long entries = captures ? sizes.entryBytes(model, LedgerCapture.format(model, config).untruncated(model.dtype())) : 0;
            int slots = captures ? RingCapture.slots(entries) : 0;
            return engine.plan(model.shape(), model.dtype(), new MemoryPlan.Request(sizes.records().size(), sizes.tokens(),
                    sizes.targets(), entries, slots)).whenMade();
        }

        /** Tokens a gradient call on a device that cannot take the largest batch whole; 0 where it can, and on the CPU. */
        static long microTokens(Engine engine, MemoryPlan plan) {
            if (engine.device().kind() == Device.Kind.CPU || plan.total() <= SHARE * plan.available()) {
                return 0;
            }
            return Math.max(1, (long) (SHARE * plan.fittingTokens()));
        }
    }
}
