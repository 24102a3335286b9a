/*
 * One erasure from a run to a new run: load, aim, loop, check the guards, probe, then write. The source run is only read
 * until the new one is whole on disk; see ErasedRun for the writing and for what a kill leaves. Ranks that share it all move their
 * model, alike; what is only looked at, told or written is the first one's.
 */
package dev.lethe.erase;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.base.Reason;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.Work;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.ForgetSet.Match;
import dev.lethe.influence.FactorShards;
import dev.lethe.model.Checkpoint;
import dev.lethe.objective.EraseData;
import dev.lethe.objective.RunExamples;
import dev.lethe.results.EraseListener;
import dev.lethe.results.EraseStep;
import dev.lethe.results.Erasure;
import dev.lethe.results.Erasure.Relearning;
import dev.lethe.results.Erasure.Trial;
import dev.lethe.results.InfluenceChange;
import dev.lethe.results.Losses;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.settings.Copy;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Strategy;
import dev.lethe.settings.Strategy.Kind;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Dtype;
import dev.lethe.strategy.InfluenceProbe;
import dev.lethe.strategy.Method;
import dev.lethe.strategy.Method.LoopResult;
import dev.lethe.strategy.RelearnProbe;
import dev.lethe.strategy.SetLoss;
import dev.lethe.strategy.SetLoss.GuardRefusedException;
import dev.lethe.strategy.StoredGradients;
import dev.lethe.text.Copies;
import dev.lethe.text.Example;
import dev.lethe.train.Ranks;
import dev.lethe.train.Replay;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;

final class Eraser {
    private final Engine engine;
    private final RunFolder source;
    private final EraseConfig config;
    private final EraseListener listener;
    private final TrainConfig training;
    private final Ranks ranks;

    Eraser(Engine engine, RunFolder source, EraseConfig config, EraseListener listener) {
        this.engine = engine;
        this.source = source;
        this.config = config.settled(source.info().source().shape());
        this.ranks = Ranks.of(engine);
        this.listener = ranks.leads() ? listener : EraseListener.NONE;
        this.training = source.info().config();
    }

    /**
     * Carries the erasure out; nothing is changed when it throws.
     *
     * @throws GuardRefusedException     when the reference cannot be reached, or only by breaking a guard
     * @throws InterruptedWorkException  when the calling thread is interrupted before the new run is put in its place
     */
    Erasure erase(ForgetSet forget, RunExamples examples, Path out) {
        return shared(() -> request(forget, examples), out);
    }

    /**
     * As {@link #erase(ForgetSet, RunExamples, Path)} for records of the request's own, none of which need be among those learned:
     * nothing leaves the run's records or its ledger.
     */
    Erasure eraseUnmatched(List<TextRecord> request, RunExamples examples, Path out) {
        return shared(() -> request(request, examples), out);
    }

    /** Hands over the curvature that this erasure would compute from the ledger, to be computed by shards. Changes nothing. */
    <T> T curvature(ForgetSet forget, RunExamples examples, Function<FactorShards, T> use) {
        if (!config.ledgerCurvature() || config.factors() != null) {
            throw new BadInputException("shards are of the ledger's curvature: they go with strategy gauss-newton and"
                    + " ledger_curvature=1, and without factors, which are the result");
        }
        Set<String> ids = withCopies(forget.ids(), examples.copiesOf(forget.ids(), config.copies()));
        try (LanguageModel model = Checkpoint.load(engine, source.model(), Dtype.F32);
             StoredGradients stored = StoredGradients.open(model, source, config, ids)) {
            return use.apply(stored.factors());
        }
    }

    private static Set<String> withCopies(Set<String> ids, List<Copy> copies) {
        Set<String> all = new LinkedHashSet<>(ids);
        copies.stream().filter(copy -> copy.taken() && !copy.heldOut()).map(Copy::recordId).forEach(all::add);
        return all;
    }

    private Request request(ForgetSet forget, RunExamples examples) {
        Set<String> ids = forget.ids();
        List<Copy> copies = examples.copiesOf(ids, config.copies());
        Set<String> all = withCopies(ids, copies);
        if (all.size() == examples.data().size()) {
            throw new BadInputException("with their copies the records to erase are the whole data (" + all.size()
                    + " records): nothing would be kept; train a new model instead");
        }
        Dataset kept = examples.data().filter(record -> !all.contains(record.id()));
        List<TextRecord> erased = examples.data().filter(record -> all.contains(record.id())).records();
        return new Request(all, forget.plain(), erased, all, examples.split(all, keep(erased), config), kept, copies);
    }

    private Request request(List<TextRecord> request, RunExamples examples) {
        EraseData data = EraseData.of(RunExamples.encode(source, request), RunExamples.encode(source, Copies.distinct(request)),
                examples.learned(), examples.heldOut(), keep(request), config);
        Set<String> words = request.stream().map(TextRecord::text).collect(Collectors.toSet());
        return new Request(Set.of(), List.of(), request, words, data, examples.data(), examples.copiesOf(Set.of(), Copy.Rule.KEEP));
    }

    private List<Example> keep(List<TextRecord> erased) {
        return config.keep() == null ? List.of() : RunExamples.of(source, config.keep(), erased);
    }

    /**
     * @param ids   records that leave the run
     * @param matches how they were found
     * @param erased what the model is to forget
     * @param words what the erasure's id is made of: the same for the same request
     * @param kept  what a retraining learns
     * @param copies what is equal or nearly equal to a learned record, and what becomes of it
     */
    private record Request(Set<String> ids, List<Match> matches, List<TextRecord> erased, Set<String> words, EraseData data,
                           Dataset kept, List<Copy> copies) { }

    private Erasure shared(Supplier<Request> request, Path out) {
        FollowingRank.Sharing sharing = new FollowingRank.Sharing(ranks, source, config, out);
        return sharing.carryOut(() -> {
            Request asked = request.get();
            sharing.requireSame(asked.words());
            return erase(asked, out, sharing);
        });
    }

    private Erasure erase(Request request, Path out, FollowingRank.Sharing sharing) {
        EraseData data = request.data();
        try (ErasedRun fresh = ranks.leads() ? ErasedRun.begin(source, out, config.keepEntries()) : null) {
            Method.Fresh told = fresh == null ? new FollowingRank(out) : fresh;
            return sharing.done(carryOut(request, told, !config.ignoreGuards(), (model, moved) -> {
                if (!moved.broken().isEmpty() && !config.ignoreGuards()) {
                    throw new GuardRefusedException("erasure refused, nothing was changed: " + String.join("; ", moved.broken()));
                }
                sharing.requireSameWeights(model);
                if (fresh == null) {
                    return null; // what is left is the first rank's
                }
                listener.stage("relearning probe");
                Relearning relearning = new Relearning(moved.knownBefore(), relearn(model, data.distinct()),
                        relearn(model, data.heldOut()));
                LoopResult result = moved.result();
                Erasure erasure = new Erasure(fresh.id(request.words(), config), source.root(), out,
                        List.copyOf(request.ids()), request.matches(), config, moved.target(), result.before(), result.after(),
                        result.ascents(), result.repairs(), result.reached(), result.left(), moved.broken(),
                        source.info().result().steps(), relearning, moved.influence(), 0, request.copies(), List.of(), List.of(),
                        software());
                listener.stage("writing " + out);
                Work.check(Method.INTERRUPTED);
                return Work.shielded(() -> fresh.complete(model, erasure, request.erased()));
            }));
        } catch (GuardRefusedException e) {
            throw new GuardRefusedException(Reason.of(e) + replay(request));
        }
    }

    private Erasure.Software software() {
        Engine.BuildInfo build = Engine.buildInfo();
        return new Erasure.Software(RunInfo.VERSION, Runtime.version().toString(), build.torchVersion(), build.isa(),
                engine.device().toString());
    }

    /** What never breaks a guard, with its price; nothing where there is no replay. */
    private String replay(Request request) {
        try {
            return request.ids().isEmpty() || config.strategy() == Strategy.REPLAY ? ""
                    : "; strategy replay would train again without them, " + Replay.price(source, request.ids());
        } catch (BadInputException | DamagedDataException e) {
            return "";
        }
    }

    /** Carries the erasure out in memory and hands the moved model to {@code use}; leaves nothing written, refuses nothing. */
    private Trial trial(Request request, Consumer<LanguageModel> use) {
        try (ErasedRun fresh = ErasedRun.trial(source)) {
            return carryOut(request, fresh, false, (model, moved) -> {
                use.accept(model);
                LoopResult result = moved.result();
                return new Trial(moved.target(), result.before(), result.after(), result.ascents(), result.repairs(),
                        source.info().result().steps(), moved.broken(), moved.influence());
            });
        }
    }

    Trial trial(ForgetSet forget, RunExamples examples, Consumer<LanguageModel> use) {
        return trial(request(forget, examples), use);
    }

    Trial trialUnmatched(List<TextRecord> request, RunExamples examples, Consumer<LanguageModel> use) {
        return trial(request(request, examples), use);
    }

    /** What the method came to, with what was measured around it. */
    private record Moved(LoopResult result, double target, double knownBefore, List<String> broken,
                         InfluenceChange influence) { }

    /** @param strict whether a reference that shows nothing ends it before the first step */
    private <T> T carryOut(Request request, Method.Fresh fresh, boolean strict, BiFunction<LanguageModel, Moved, T> end) {
        EraseData data = request.data();
        try (LanguageModel model = Checkpoint.load(engine, source.model(), Dtype.F32);
             StoredGradients stored = StoredGradients.open(model, source, config, request.ids())) {
            Aim aim = Aim.of(engine, source, config, model, data, request.ids(), request.copies());
            if (strict && !aim.unclear().isEmpty()) {
                throw new GuardRefusedException("erasure refused, nothing was changed: " + aim.unclear().getFirst());
            }
            double knownBefore = relearn(model, data.distinct());
            InfluenceProbe influence = ranks.leads() ? stored.influence(data.forget()) : null;
            if (influence != null) {
                influence.before();
            }
            LoopResult result = new Method(new Method.Inputs(engine, source, config, asking(influence), model, stored, data, aim.like(),
                    request.erased(), request.kept(), fresh), aim.target()).run(aim.target());
            List<String> broken = new ArrayList<>(aim.unclear());
            broken.addAll(config.strategy().kind() == Kind.RETRAIN ? List.of() : broken(result, aim.target()));
            return end.apply(model, new Moved(result, aim.target(), knownBefore, broken,
                    influence == null ? InfluenceChange.none() : influence.after()));
        } catch (InterruptedWorkException e) {
            throw new InterruptedWorkException(Method.INTERRUPTED, e); // of whatever it was interrupted in
        }
    }

    /** The listener, to whom each move comes with the influence for the asking. */
    private EraseListener asking(InfluenceProbe influence) {
        return new EraseListener() {
            @Override
            public void stage(String name) {
                listener.stage(name);
            }

            @Override
            public void step(EraseStep step, double target) {
                listener.step(step, target, () -> influence == null ? Double.NaN : influence.magnitude());
            }
        };
    }

    private double relearn(LanguageModel model, List<Example> records) {
        return !ranks.leads() ? Double.NaN : new RelearnProbe(model, config.relearnSteps(), RelearnProbe.optimizer(training)).loss(records);
    }

    /** What speaks against the outcome, each with what would allow it; empty when nothing does. */
    private List<String> broken(LoopResult result, double target) {
        Losses before = result.before();
        Losses after = result.after();
        List<String> broken = new ArrayList<>();
        if (!result.reached()) {
            broken.add(shortOf(result, target));
        }
        if (after.retain() > before.retain() + config.retainGuard()) {
            broken.add(text("the retain loss rose from %.3f to %.3f, retain_guard allows %.3f more", before.retain(),
                    after.retain(), config.retainGuard()));
        }
        if (after.heldOut() > before.heldOut() * (1 + config.heldOutGuard())) {
            broken.add(text("the held-out loss rose from %.3f to %.3f, held_out_guard allows %.1f %%", before.heldOut(),
                    after.heldOut(), 100 * config.heldOutGuard()));
        }
        if (config.keep() != null && after.keep() > before.keep() + config.keep().guard()) {
            broken.add(text("the loss of the text to keep rose from %.3f to %.3f, keep_guard allows %.3f more", before.keep(),
                    after.keep(), config.keep().guard()));
        }
        return broken;
    }

    private String shortOf(LoopResult result, double target) {
        if (config.iterative() != null) {
            return text("%.3f of the request's influence is left after %d rounds, iterative allows %.3f (more rounds or"
                    + " repair may reach it)", result.left(), result.ascents(), config.iterative().share());
        }
        return text("the forget loss came to %.3f, the reference is %.3f (more repair or another strategy may reach it;"
                + " a loss given as the reference may lower it)", result.after().forget(), target);
    }

    private static String text(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }
}
