/*
 * Where an erasure's forget loss is to come to, and whether that shows what "never seen" is like. Held-out records say it, weighed to be as
 * hard as the forget records; too few to be weighed say less than a model of before the training, where one is known, which has
 * not the manner of what was learned since, but did not learn the records either.
 */
package dev.lethe.erase;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.model.Checkpoint;
import dev.lethe.objective.EraseData;
import dev.lethe.objective.NeverSeen;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo.Adopted;
import dev.lethe.run.RunRecord;
import dev.lethe.settings.Copy;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Reference;
import dev.lethe.settings.Strategy.Kind;
import dev.lethe.shape.Dtype;
import dev.lethe.strategy.SetLoss;
import dev.lethe.train.Ranks;
import dev.lethe.train.SharedModel;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * One erasure's.
 *
 * @param target  the forget loss to come to, nats a token
 * @param like    what the losses of held-out tokens are like; null where nothing is held out, or nothing asks for it
 * @param unclear why the target does not show what "never seen" is like; empty when it does
 */
record Aim(double target, NeverSeen like, List<String> unclear) {
    /** Nats a token by which a reference must be above learned records to show what "never seen" is like. */
    private static final double CLEAR = 0.1;
    /** A loss of learned records above which none is recited: after one epoch of TOFU, say, 7.3, and 7.5 never seen. */
    private static final double RECITED = 2;

    /**
     * Measures under the weights of now; on the model's thread, of ranks each alike.
     *
     * @param ids    of the records that leave the run; empty: the forget records are a request's own words, which may be among the learned
     * @param copies held-out ones among them are no reference
     * @throws BadInputException where there is no reference, or it learned the records
     */
    static Aim of(Engine engine, RunFolder source, EraseConfig config, LanguageModel model, EraseData data, Set<String> ids,
                  List<Copy> copies) {
        boolean wanted = config.reference() instanceof Reference.HeldOut || config.matched() > 0;
        NeverSeen like = !wanted || data.heldOut().isEmpty() ? null
                : NeverSeen.of(model, data.forget(), data.heldOut(), ids.isEmpty() ? List.of() : data.retain(), config.seed());
        double retain = SetLoss.mean(new SharedModel(model, Ranks.of(engine)), data.guard());
        OptionalDouble other = switch (config.reference()) {
            case Reference.Loss loss -> OptionalDouble.of(loss.nats());
            case Reference.Retrained retrained -> OptionalDouble.of(under(engine, folder(source, retrained.run(), ids), data));
            case Reference.HeldOut _ -> like != null && like.weighed() ? OptionalDouble.empty() : base(engine, source, model, data, ids);
        };
        boolean asked = config.reference() instanceof Reference.Loss || config.strategy().kind() == Kind.RETRAIN;
        if (other.isPresent()) {
            return new Aim(other.getAsDouble(), like, asked ? List.of() : unclear(other.getAsDouble(), retain,
                    "a model that knows the records to erase like learned ones, so that it cannot have been without them"));
        }
        if (like == null) {
            List<Copy> heldOut = copies.stream().filter(Copy::heldOut).toList();
            throw new BadInputException("run " + source + (heldOut.isEmpty() ? " holds no record out"
                    : " holds " + heldOut.size() + " records out, but all are copies of learned ones (" + heldOut.getFirst() + ")")
                    + ", so there is no reference to stop at; name a reference (a run, a model folder or a loss in nats), or train with"
                    + " records held out");
        }
        return new Aim(like.mean(), like, asked ? List.of() : unclear(like.unweighed(), retain,
                "held-out records, which the model knows like learned ones, so that they cannot have been unknown to it"));
    }

    private static List<String> unclear(double reference, double retain, String whose) {
        return retain > RECITED || reference >= retain + CLEAR ? List.of() : List.of(String.format(Locale.ROOT, "the reference, %.3f, is of"
                + " %s (%.3f; at least %.1f more would do); name as the reference a model that never saw the records, or a loss in nats",
                reference, whose, retain, CLEAR));
    }

    /** The forget records' loss under the model of before the training; empty where none is known. */
    private static OptionalDouble base(Engine engine, RunFolder source, LanguageModel model, EraseData data, Set<String> ids) {
        if (model.base() != null) {
            try (LanguageModel without = engine.like(model)) {
                return OptionalDouble.of(SetLoss.mean(new SharedModel(without, Ranks.of(engine)), data.forget()));
            }
        }
        Adopted adopted = source.info().adopted();
        return adopted == null || adopted.base() == null ? OptionalDouble.empty()
                : OptionalDouble.of(under(engine, folder(source, Path.of(adopted.base()), ids), data));
    }

    private static double under(Engine engine, Path folder, EraseData data) {
        try (LanguageModel other = Checkpoint.load(engine, folder, Dtype.F32)) {
            return SetLoss.mean(new SharedModel(other, Ranks.of(engine)), data.forget());
        }
    }

    /** The model of a run or a folder, unless that run learned the records. */
    private static Path folder(RunFolder source, Path folder, Set<String> ids) {
        if (!RunFolder.isRun(folder)) {
            return folder;
        }
        RunFolder other = RunFolder.open(folder);
        Set<String> texts = source.records().stream().filter(record -> ids.contains(record.id())).map(RunRecord::sha256)
                .collect(Collectors.toSet());
        List<String> learned = other.records().stream().filter(record -> record.split() == RunRecord.Split.TRAIN
                && texts.contains(record.sha256())).map(RunRecord::id).toList();
        if (!learned.isEmpty()) {
            throw new BadInputException("the reference " + other + ": that run learned " + learned.size() + " of the records to"
                    + " erase, the first is " + learned.getFirst() + "; name a model that never saw them");
        }
        return other.model();
    }
}
