/*
 * Makes a run of a model that was trained elsewhere: what its training would have told is measured, then one pass over the
 * records captures their gradients at the model's weights, which move no more. The pass is Training's, the files are
 * Trainer's.
 */
package dev.lethe.train;

import dev.lethe.base.BadInputException;
import dev.lethe.data.Dataset;
import dev.lethe.engine.Base;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.Work;
import dev.lethe.model.Checkpoint;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunData;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunInfo.Adopted;
import dev.lethe.run.RunRecord;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;

/** Adoption of models. Stateless; any thread, as {@link Trainer}. A killed one goes on with {@link Trainer#resume}. */
public final class Adopter {
    private Adopter() { }

    /**
     * What is known and asked for.
     *
     * @param base        folder of the model before fine-tuning, or null: what the model knows of a record beyond it was learned;
     *                    not asked of an adapter, which has one
     * @param measureRate whether the learning rate is to be found by trial in place of the options'
     * @param assumed     whether the options' epochs are an assumption
     * @param force       go on although the data does not look like what the model learned
     */
    public record Asked(Path base, boolean measureRate, boolean assumed, boolean force) { }

    /**
     * Adopts a model and the records it was trained on as a new run, complete with the gradients of {@code config}'s sites.
     *
     * @param source a model folder; of an adapter its base is the model before fine-tuning
     * @param options epochs, batch and learning rate as in the training that made the model, as far as known; capture LAST
     * @param out    a folder that does not exist or is empty
     * @return the complete run
     * @throws BadInputException when data, model, base, options, folder or disk do not allow it, or the data is not what the
     *                           model learned; nothing is written then
     */
    public static RunFolder adopt(Engine engine, ModelSource.Pretrained source, Dataset data, Path out, TrainConfig options, Asked asked,
                                  TrainListener listener) {
        return Work.run("adoption", () -> {
            RunFolder.requireFree(out);
            if (options.holdoutFraction() > 0) {
                throw new BadInputException("a holdout fraction of " + options.holdoutFraction() + ": the model has learned all of "
                        + data.path() + "; held-out records of an adopted model are a data file of their own");
            }
            try (LoadedModel loaded = LoadedModel.load(engine, source, options.dtype(), options.seed())) {
                TrainConfig config = options.settled(loaded.model().shape(), true);
                Holdout split = Holdout.of(data, config);
                EncodedRecords encoded = EncodedRecords.of(split, loaded, config);
                listener.stage("measuring the model");
                Known known = known(engine, loaded, encoded, config, asked, data.path());
                if (asked.measureRate()) {
                    listener.stage("finding the learning rate");
                }
                double rate = asked.measureRate() ? RepairRate.of(loaded.model(), encoded.train(), config) : config.learningRate();
                Base own = loaded.model().base();
                Path base = own != null ? own.files().folder() : asked.base();
                Adopted adopted = new Adopted(base == null ? null : Trainer.absolute(base), asked.assumed(),
                        asked.measureRate(), known.loss, known.heldOut, known.base, known.unlearned.size());
                List<RunRecord> records = encoded.records(split, config.keepText()).stream()
                        .map(record -> known.unlearned.contains(record.id()) ? record.notLearned() : record).toList();
                return Trainer.begin(engine, source, loaded, split, encoded, records, config.toBuilder().learningRate(rate).build(),
                        adopted, null, out, listener);
            }
        });
    }

    /**
     * As {@link #adopt}; but where {@code out} holds an adoption of this model and these records under these options, one that was
     * killed is gone on with and a complete one is the result.
     *
     * @throws BadInputException also when what is there is another run, or one that was erased from
     */
    public static RunFolder adoptOnce(Engine engine, ModelSource.Pretrained model, Dataset data, Path out, TrainConfig config,
                                      Asked asked, TrainListener listener) {
        if (!RunFolder.isRun(out)) {
            return adopt(engine, model, data, out, config, asked, listener);
        }
        RunInfo there = RunFolder.openAny(out).info();
        requireThis(out, there, model, data, asked);
        boolean complete = there.state() == RunInfo.State.COMPLETE;
        RunFolder run = Trainer.resume(engine, out, asked.measureRate() ? config.toBuilder().learningRate(there.config()
                .learningRate()).build() : config, data, listener);
        if (complete) { // which resume does not look into
            Work.run("adoption", () -> {
                RunData.read(run, RunRecord.Split.TRAIN, data);
                try (LoadedModel now = LoadedModel.load(engine, model, config.dtype(), config.seed())) {
                    Trainer.requireSameModel(out, there.source(), now.model());
                }
                return run;
            });
        }
        return run;
    }

    private static void requireThis(Path out, RunInfo there, ModelSource.Pretrained model, Dataset data, Asked asked) {
        List<String> problems = new ArrayList<>();
        if (there.adopted() == null || !Trainer.absolute(model.folder()).equals(there.source().checkpoint())) {
            problems.add("it is " + (there.adopted() == null ? "no adoption" : "of " + there.source().checkpoint()));
        } else {
            Path before = model.base() == null ? asked.base() : model.base();
            String base = before == null ? null : Trainer.absolute(before);
            if (!Objects.equals(base, there.adopted().base())) {
                problems.add("its base is " + there.adopted().base());
            }
            if (asked.measureRate() != there.adopted().rateMeasured() || asked.assumed() != there.adopted().epochsAssumed()) {
                problems.add("its epochs were " + (there.adopted().epochsAssumed() ? "assumed" : "given") + " and its rate "
                        + (there.adopted().rateMeasured() ? "measured" : "given"));
            }
            if (there.data().records() != data.size()) {
                problems.add("it has " + there.data().records() + " records, " + data.path() + " has " + data.size());
            }
        }
        if (!problems.isEmpty()) {
            throw new BadInputException(out + ": already holds a run, and not this adoption: " + String.join("; ", problems)
                    + "; erase from that run as it is, or name another folder");
        }
    }

    /** Mean losses, and ids of the records that the model never learned. */
    private record Known(double loss, Double heldOut, Double base, Set<String> unlearned) { }

    private static Known known(Engine engine, LoadedModel loaded, EncodedRecords encoded, TrainConfig config,
            Asked asked, Path data) {
        double[] own = losses(loaded.model(), encoded.train(), config.batchSize());
        double[] heldOut = losses(loaded.model(), encoded.holdout(), config.batchSize());
        double loss = mean(encoded.train(), own);
        Double unseen = heldOut.length == 0 ? null : mean(encoded.holdout(), heldOut);
        Double before = null;
        double[] shift = own;
        double threshold = heldOut.length == 0 ? Double.POSITIVE_INFINITY : median(heldOut);
        boolean adapted = loaded.model().base() != null;
        if (adapted || asked.base() != null) {
            try (LanguageModel base = adapted ? engine.like(loaded.model())
                    : Checkpoint.load(engine, asked.base(), config.dtype())) {
                if (!base.shape().equals(loaded.model().shape())) {
                    throw new BadInputException(asked.base() + ": is a model of " + base.shape() + ", what is adopted is one of "
                            + loaded.model().shape() + "; give the model that it was fine-tuned from");
                }
                double[] then = losses(base, encoded.train(), config.batchSize());
                before = mean(encoded.train(), then);
                shift = minus(own, then);
                // Halfway between what became of most records and what became of those never seen.
                double never = heldOut.length == 0 ? 0
                        : median(minus(heldOut, losses(base, encoded.holdout(), config.batchSize())));
                threshold = (median(shift) + never) / 2;
            }
        }
        Double reference = before != null ? before : unseen;
        if (reference != null && !(loss < reference) && !asked.force()) {
            throw new BadInputException(String.format(Locale.ROOT, "%s: this is not what the model learned: its mean loss there is "
                    + "%.3f, %s; give the data it was trained on, or adopt it all the same", data, loss, before != null
                    ? String.format(Locale.ROOT, "under the base %.3f", before)
                    : String.format(Locale.ROOT, "that of held-out records %.3f", unseen)));
        }
        Set<String> unlearned = new HashSet<>();
        for (int i = 0; i < own.length; i++) {
            if (shift[i] >= threshold) {
                unlearned.add(encoded.train().get(i).id());
            }
        }
        return new Known(loss, unseen, before, unlearned);
    }

    /** [N] each record's mean over its own targets. */
    static double[] losses(LanguageModel model, List<Example> examples, int batch) {
        double[] losses = new double[examples.size()];
        for (int from = 0; from < losses.length; from += batch) {
            Work.check("adoption interrupted, nothing is written");
            int[] indices = IntStream.range(from, Math.min(losses.length, from + batch)).toArray();
            double[] part = model.losses(BatchPlan.batch(examples, indices));
            System.arraycopy(part, 0, losses, from, part.length);
        }
        return losses;
    }

    static double mean(List<Example> examples, double[] losses) {
        return TokenMean.loss(TokenMean.weights(examples, IntStream.range(0, losses.length).toArray()), losses);
    }

    private static double[] minus(double[] a, double[] b) {
        return IntStream.range(0, a.length).mapToDouble(i -> a[i] - b[i]).toArray();
    }

    private static double median(double[] values) {
        return Arrays.stream(values).sorted().skip((values.length - 1) / 2).limit(2 - values.length % 2).average().orElseThrow();
    }
}
