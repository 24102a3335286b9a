/*
 * The trained models of a study, each in a folder named after everything that makes it: settings, seed, records, initial
 * weights, what is captured. A finished one is taken as it is, one that was cut off is resumed.
 */
package dev.lethe.sweep;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Sha256;
import dev.lethe.data.Dataset;
import dev.lethe.engine.Engine;
import dev.lethe.model.Checkpoint;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.Schedule;
import dev.lethe.settings.TrainConfig;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.spec.Spec;
import dev.lethe.spec.Spec.DataFiles;
import dev.lethe.spec.SpecCheck;
import dev.lethe.sweep.Plan.ContentId;
import dev.lethe.sweep.Sweep.StudyListener;
import dev.lethe.train.Adopter;
import dev.lethe.train.Trainer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

final class Trainings {
    private final Engine engine;
    private final Spec spec;
    private final StudyData data;
    private final DataFiles files;
    private final Path runs;
    private final BaseStage base; // null where models begin from nothing or a given one
    private final StudyListener listener;

    Trainings(Engine engine, Spec spec, StudyData data, DataFiles files, BaseStage base, Path out, StudyListener listener) {
        this.engine = engine;
        this.spec = spec;
        this.data = data;
        this.files = files;
        this.base = base;
        this.runs = out.resolve("runs");
        this.listener = listener;
    }

    ModelSource source(String head) {
        if (base != null) {
            return ModelSource.checkpoint(base.model(head));
        }
        if (!SpecCheck.isShape(spec.model(), files)) {
            return ModelSource.checkpoint(files.require(spec.model()));
        }
        ModelShape shape = ((ModelSource.Fresh) ModelSource.parse(spec.model())).shape();
        return new ModelSource.Fresh(shape.withTiedHead(head.equals("tied")), data.tokenizer());
    }

    ModelShape shape(String head) {
        return base != null ? base.shape(head) : Checkpoint.shape(source(head));
    }

    /** How a model is trained; {@code capture} says what of its gradients is kept. */
    TrainConfig config(long seed, Captures.Plan capture) {
        return config(spec.training(), seed, capture).toBuilder().holdoutData(data.heldOut().path()).build();
    }

    /** Without held-out data. */
    static TrainConfig config(Spec.Training training, long seed, Captures.Plan capture) {
        return training.config().toBuilder().seed(seed).capture(capture.policy()).sites(capture.sites()).keepAt(List.of()).build();
    }

    /** How the model that learns everything is trained: it alone is replayed. */
    private TrainConfig learning(long seed, Captures.Plan capture) {
        String late = spec.training().late();
        return config(seed, capture).toBuilder().keepAt(spec.training().config().keepAt())
                .late(late == null ? null : files.require(late).toAbsolutePath().normalize()).build();
    }

    /** What two trainings of it must share to be the same training. */
    Object settings(String head, long seed, Captures.Plan capture) {
        return settings(head, learning(seed, capture));
    }

    private Object settings(String head, TrainConfig config) {
        TrainConfig plain = config.toBuilder().holdoutData(null).late(null).build();
        Object all = config.late() == null ? plain : List.of(plain, hash(config.late()));
        if (base != null) {
            return List.of(all, base.identity(head));
        }
        ModelSource source = source(head);
        return List.of(all, source instanceof ModelSource.Pretrained(Path folder, Path _) ? Checkpoint.hash(folder)
                : Checkpoint.shape(source));
    }

    /** What the results of a seed's cells depend on, beside the cells. */
    Object identity(String head, long seed) {
        Object here = base == null ? settings(head, seed, Captures.NONE)
                : List.of(settings(head, seed, Captures.NONE), data.baseText().identity());
        return spec.training().model() == null ? here : List.of(here, Checkpoint.hash(elsewhere(seed, head)));
    }

    /** The model that all others began as; of a study that has one. */
    RunFolder base(String head) {
        return RunFolder.open(base.model(head).getParent());
    }

    /** The model that learned everything: trained here, or the one that the spec names. */
    RunFolder original(long seed, String head, Captures.Plan capture) {
        return spec.training().model() != null ? adopted(seed, head, elsewhere(seed, head), 0, capture.sites())
                : trained("train seed " + seed + " " + head, head, learning(seed, capture), data.learned());
    }

    /** A model adopted: its gradients are those at its weights, after so many epochs of training gone on with. */
    RunFolder adopted(long seed, String head, Path learned, int replayed, String sites) {
        String what = "seed " + seed + " " + head;
        Path model = learned;
        if (replayed > 0) {
            TrainConfig more = config(seed, Captures.NONE).toBuilder().epochs(replayed).warmupSteps(0).schedule(Schedule.LINEAR)
                    .learningRate(spec.training().config().learningRate() * replayed / spec.training().config().epochs()).build();
            model = trained("replay " + replayed + " " + what, ModelSource.checkpoint(learned), more,
                    List.of(more.toBuilder().holdoutData(null).build(), Checkpoint.hash(learned)), data.learned()).model();
        }
        TrainConfig config = config(seed, new Captures.Plan(CapturePolicy.LAST, sites));
        Path folder = folder(List.of("adopted", config.toBuilder().holdoutData(null).build(), Checkpoint.hash(model)), data.learned());
        return Adopter.adoptOnce(engine, ModelSource.checkpoint(model), data.learned(), folder, config,
                new Adopter.Asked(null, true, false, true), listener.training("adopt " + what));
    }

    private Path elsewhere(long seed, String head) {
        Path folder = files.require(spec.training().model(seed));
        if (!Checkpoint.config(folder).shape().equals(shape(head))) {
            throw new BadInputException(folder + ": is a model of " + Checkpoint.config(folder).shape() + ", $.model with a " + head
                    + " head of " + shape(head));
        }
        if (base != null) {
            base.requireTokenizer(folder);
        }
        return folder;
    }

    /** The model that never learned a forget set: trained here, or the run that the spec names. */
    RunFolder retrained(long seed, String head, String forget) {
        String named = spec.forget().get(forget).retrained();
        Dataset kept = data.retained(forget);
        if (named == null) {
            return trained("retrain without " + forget + " seed " + seed + " " + head, head, config(seed, Captures.NONE), kept);
        }
        RunFolder run = RunFolder.open(files.require(named.replace("{seed}", Long.toString(seed))));
        requireSame(run, head, seed, kept);
        return run;
    }

    /** Forgets a model that was only needed for its numbers. */
    void drop(RunFolder run) {
        if (run.root().startsWith(runs)) {
            Io.disk(run + ": cannot be removed", () -> PrivateFiles.deleteTree(run.root()));
        }
    }

    private RunFolder trained(String what, String head, TrainConfig config, Dataset records) {
        return trained(what, source(head), config, settings(head, config), records);
    }

    private RunFolder trained(String what, ModelSource source, TrainConfig config, Object settings, Dataset records) {
        Path folder = folder(settings, records);
        if (RunFolder.isRun(folder)) {
            RunFolder run = RunFolder.openAny(folder);
            return run.info().state() == RunInfo.State.COMPLETE ? run
                    : Trainer.resume(engine, folder, config, records, listener.training(what));
        }
        return Trainer.train(engine, source, records, folder, config, listener.training(what));
    }

    private static String hash(Path file) {
        return Io.input(file + ": the late records cannot be read", () -> Sha256.hex(Sha256.of(file)));
    }

    /** A run's, or free for one. */
    private Path folder(Object settings, Dataset records) {
        Path folder = runs.resolve(ContentId.id(settings, StudyData.lines(records), StudyData.lines(data.heldOut())));
        return Io.disk(folder, () -> {
            if (!RunFolder.isRun(folder)) {
                PrivateFiles.deleteTree(folder);
                PrivateFiles.makeFolder(runs);
            }
            return folder;
        });
    }

    /** Refuses a reference that is not this study's model without the forget set, showing both sides of what differs. */
    private void requireSame(RunFolder run, String head, long seed, Dataset kept) {
        TrainConfig mine = config(seed, Captures.NONE);
        List<String> differences = differences(run, mine, shape(head), kept);
        if (base != null && !base.isOf(head, run)) {
            differences.add("weights to begin with are those of " + base.model(head) + " in this study, in the reference others");
        }
        if (!differences.isEmpty()) {
            throw new BadInputException(run + ": trained with other settings (SHA-256 " + ContentId.id(plain(run.info().config()))
                    + ") than this study's (" + ContentId.id(plain(mine)) + "), so it is no reference:\n  "
                    + String.join("\n  ", differences) + "\ntrain it with these, or leave $.forget..retrained out");
        }
    }

    /** What sets a run apart from a training with these settings of such a model on these records. */
    static List<String> differences(RunFolder run, TrainConfig mine, ModelShape shape, Dataset records) {
        List<String> differences = new ArrayList<>(plain(mine).differences(plain(run.info().config())).stream()
                .map(difference -> difference.replace(", asked for ", " in this study, in the reference ")).toList());
        if (!shape.equals(run.info().source().shape())) {
            differences.add("model is " + shape + " in this study, in the reference " + run.info().source().shape());
        }
        List<String> learned = run.records().stream().filter(record -> record.split() == Split.TRAIN)
                .map(record -> record.sha256() + " " + record.id()).toList();
        List<String> mineLearned = records.records().stream().map(record -> record.hash() + " " + record.id()).toList();
        if (!learned.equals(mineLearned)) {
            differences.add("records are " + records.size() + " in this study, SHA-256 " + ContentId.id(mineLearned)
                    + ", in the reference " + learned.size() + ", SHA-256 " + ContentId.id(learned));
        }
        if (!run.info().data().form().learnsAs(records.form())) {
            differences.add("what is learned of conversations is " + records.form().learning() + " in this study, in the reference "
                    + run.info().data().form().learning());
        }
        return differences;
    }

    private static TrainConfig plain(TrainConfig config) {
        return config.toBuilder().capture(CapturePolicy.NONE).sites("embedding").headTopK(0).rank(0).ledgerDtype(Dtype.F32)
                .checkpointEverySteps(0).holdoutFraction(0).holdoutData(null).keepAt(List.of()).keepText(false).build();
    }
}
