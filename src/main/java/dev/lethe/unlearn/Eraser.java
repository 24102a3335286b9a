/*
 * One erasure from a run to a new run: load, aim, loop, check the guards, probe, then write. The source run is only read
 * until the new one is whole on disk; see ErasedRun for the writing and for what a kill leaves.
 */
package dev.lethe.unlearn;

import dev.lethe.data.Example;
import dev.lethe.engine.AdamW;
import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Dtype;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.model.Checkpoint;
import dev.lethe.train.RunFolder;
import dev.lethe.train.TrainConfig;
import dev.lethe.unlearn.EraseLoop.Result;
import dev.lethe.unlearn.Erasure.Relearning;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Consumer;

final class Eraser {
    /** The relearning probe's and the repair's rates, as shares of the training's peak rate. */
    private static final double RELEARN_RATE = 0.1;
    private static final double REPAIR_RATE = 0.5;

    private final Engine engine;
    private final RunFolder source;
    private final EraseConfig config;
    private final EraseListener listener;
    private final TrainConfig training;

    Eraser(Engine engine, RunFolder source, EraseConfig config, EraseListener listener) {
        this.engine = engine;
        this.source = source;
        this.config = config;
        this.listener = listener;
        this.training = source.info().config();
    }

    /**
     * Carries the erasure out; nothing is changed when it throws.
     *
     * @throws GuardRefusedException     when the reference cannot be reached, or only by breaking a guard
     * @throws EraseInterruptedException when the calling thread is interrupted
     */
    Erasure erase(Set<String> ids, RunExamples examples, Path out) {
        EraseData data = examples.split(ids, config);
        try (ErasedRun fresh = ErasedRun.begin(source, out)) {
            return carryOut(ids, data, fresh::write, (model, moved) -> {
                List<String> broken = broken(moved.result(), moved.target());
                if (!broken.isEmpty()) {
                    throw new GuardRefusedException("erasure refused, nothing was changed: " + String.join("; ", broken));
                }
                listener.stage("relearning probe");
                Relearning relearning = new Relearning(moved.knownBefore(), relearn(model, data.forget()),
                        relearn(model, data.heldOut()));
                Result result = moved.result();
                Erasure erasure = new Erasure(fresh.id(ids, config), source.root(), out, List.copyOf(ids), config,
                        moved.target(), result.before(), result.after(), result.ascents(), result.repairs(),
                        source.info().result().steps(), relearning, moved.influence(), 0);
                listener.stage("writing " + out);
                return fresh.complete(model, erasure);
            });
        }
    }

    /** Carries the erasure out in memory and hands the moved model to {@code use}; writes nothing, refuses nothing. */
    Trial trial(Set<String> ids, RunExamples examples, Consumer<LanguageModel> use) {
        return carryOut(ids, examples.split(ids, config), step -> { }, (model, moved) -> {
            use.accept(model);
            Result result = moved.result();
            return new Trial(moved.target(), result.before(), result.after(), result.ascents(), result.repairs(),
                    source.info().result().steps(), broken(result, moved.target()), moved.influence());
        });
    }

    /** What the loop came to, with what was measured around it. */
    private record Moved(Result result, double target, double knownBefore, InfluenceChange influence) { }

    private <T> T carryOut(Set<String> ids, EraseData data, Consumer<EraseStep> journal,
                           BiFunction<LanguageModel, Moved, T> end) {
        try (LanguageModel model = Checkpoint.load(engine, source.model(), Dtype.F32);
             StoredGradients stored = StoredGradients.open(model, source, config, ids)) {
            double target = target(model, data);
            double knownBefore = relearn(model, data.forget());
            InfluenceProbe influence = stored.influence(data.forget());
            if (influence != null) {
                influence.before();
            }
            Result result = loop(model, stored, data, target, journal);
            return end.apply(model, new Moved(result, target, knownBefore,
                    influence == null ? InfluenceChange.none() : influence.after()));
        }
    }

    private double target(LanguageModel model, EraseData data) {
        return switch (config.reference()) {
            case Reference.Loss loss -> loss.nats();
            case Reference.Retrained retrained -> {
                Path folder = RunFolder.isRun(retrained.run()) ? RunFolder.open(retrained.run()).model() : retrained.run();
                try (LanguageModel other = Checkpoint.load(engine, folder, Dtype.F32)) {
                    yield SetLoss.mean(other, data.forget());
                }
            }
            case Reference.HeldOut heldOut -> {
                if (data.heldOut().isEmpty()) {
                    throw new BadInputException("run " + source + " holds no record out, so there is no reference to stop at;"
                            + " name one with --reference RUN or --target-loss NATS, or train with --holdout");
                }
                yield SetLoss.mean(model, data.heldOut());
            }
        };
    }

    private Result loop(LanguageModel model, StoredGradients stored, EraseData data, double target,
                        Consumer<EraseStep> journal) {
        listener.stage("direction");
        AscentDirection direction = switch (config.strategy()) {
            case FIRST_EPOCH, MULTI_EPOCH -> stored.direction();
            case FRESH -> new FreshDirection(model, data.forget());
        };
        double peak = config.repairRate() > 0 ? config.repairRate() : REPAIR_RATE * training.learningRate();
        Repair repair = new Repair(model, data.retain(), training.batchSize(), optimizer(peak), config.seed());
        int budget = (int) Math.min(Integer.MAX_VALUE, config.repairBudget() * source.info().result().steps());
        listener.stage("ascent");
        try (LiveContrast live = new LiveContrast(model, stored.sites(), data, config.liveContrast(), config.seed());
             Ascent ascent = new Ascent(model, stored.sites(), direction, stored.contrast(), live)) {
            return new EraseLoop(model, config, data, ascent, repair, budget, step -> {
                EraseStepEvent.of(step).commit();
                journal.accept(step);
                listener.step(step, target);
            }).run(target);
        }
    }

    private AdamW optimizer(double rate) {
        return training.optimizer().withLearningRate(rate);
    }

    private double relearn(LanguageModel model, List<Example> records) {
        AdamW options = optimizer(RELEARN_RATE * training.learningRate());
        return new RelearnProbe(model, config.relearnSteps(), options).loss(records);
    }

    /** What the guards hold against a result; empty when nothing. */
    private List<String> broken(Result result, double target) {
        Losses before = result.before();
        Losses after = result.after();
        List<String> broken = new ArrayList<>();
        if (!result.reached()) {
            broken.add(text("the forget loss came to %.3f, the reference is %.3f (more --repair or another --strategy may"
                    + " reach it; --target-loss lowers it)", after.forget(), target));
        }
        if (after.retain() > before.retain() + config.retainGuard()) {
            broken.add(text("the retain loss rose from %.3f to %.3f, --retain-guard allows %.3f more", before.retain(),
                    after.retain(), config.retainGuard()));
        }
        if (after.heldOut() > before.heldOut() * (1 + config.heldOutGuard())) {
            broken.add(text("the held-out loss rose from %.3f to %.3f, --held-out-guard allows %.1f %%", before.heldOut(),
                    after.heldOut(), 100 * config.heldOutGuard()));
        }
        return broken;
    }

    private static String text(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }
}
