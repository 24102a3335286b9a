/*
 * The base of a study: a tokenizer made of a text and, for each head, a model trained on it, from which every other model of
 * the study is trained further. Each lies in a folder named after all that decides its bytes (text, shape, settings; not
 * the device, not where anything lies), is an ordinary run, and so is taken as it is when complete, resumed when it was cut
 * off, and shared by the studies that name the same one.
 */
package dev.lethe.sweep;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Sha256;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.engine.ModelLayout;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.TokenizerTrainer;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunJson;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.ModelShape;
import dev.lethe.spec.Spec;
import dev.lethe.spec.Spec.DataFiles;
import dev.lethe.sweep.Plan.ContentId;
import dev.lethe.sweep.Sweep.StudyListener;
import dev.lethe.train.Trainer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import tools.jackson.databind.JsonNode;

/** Belongs to one thread. */
final class BaseStage {
    private static final String TOKENIZER = "tokenizer.json";

    private final Engine engine;
    private final Spec spec;
    private final BaseText text;
    private final Path folder;
    private final StudyListener listener;
    private final Path tokenizer;
    private final String textId;
    private final Map<String, String> weights = new HashMap<>(); // SHA-256 by head, of those that are there

    /** @param folder where the bases lie, made when one is trained */
    BaseStage(Engine engine, Spec spec, DataFiles files, BaseText text, Path folder, StudyListener listener) {
        this.engine = engine;
        this.spec = spec;
        this.text = text;
        this.folder = folder;
        this.listener = listener;
        this.textId = Plan.ContentId.id(StudyData.lines(text.learned()), StudyData.lines(text.heldOut()));
        this.tokenizer = spec.tokenizer() != null ? files.require(spec.tokenizer())
                : folder.resolve("tokenizer-" + Plan.ContentId.id("byte-level BPE", spec.base().vocabulary(),
                        StudyData.lines(text.learned())));
    }

    ModelShape shape(String head) {
        return ((ModelSource.Fresh) ModelSource.parse(spec.model())).shape().withTiedHead(head.equals("tied"));
    }

    /** What trainings that begin with it depend on: its weights, or, while they are not there, what decides them. */
    String identity(String head) {
        String hash = weights.computeIfAbsent(head, _ -> isThere(run(head)) ? Checkpoint.hash(model(head)) : null);
        return hash != null ? hash : run(head).getFileName().toString();
    }

    /** The model's folder; only of one that {@link #make} has made. */
    Path model(String head) {
        return run(head).resolve("model");
    }

    /** Whether a run began with it. */
    boolean isOf(String head, RunFolder run) {
        return RunFolder.open(run(head)).info().result().modelHash().equals(run.info().source().modelHash());
    }

    /** Trains what is not there. @throws BadInputException when what is there is another one */
    List<Sweep.Base> make() {
        makeTokenizer();
        return spec.heads().stream().map(this::make).toList();
    }

    private Sweep.Base make(String head) {
        Path place = run(head);
        TrainConfig config = config().toBuilder().holdoutData(text.heldOut().path()).build();
        RunFolder run;
        if (isThere(place)) {
            run = RunFolder.open(place);
        } else if (RunFolder.isRun(place)) {
            requireMine(RunFolder.openAny(place), head); // before work is put into it
            run = Trainer.resume(engine, place, null, text.learned(), listener.training("base " + head));
        } else {
            free(place);
            run = Trainer.train(engine, new ModelSource.Fresh(shape(head), tokenizer), text.learned(), place, config,
                    listener.training("base " + head));
        }
        requireMine(run, head);
        weights.remove(head);
        RunInfo.Result result = run.info().result();
        return new Sweep.Base(head, place, ModelLayout.of(shape(head)).parameters(), result.steps(), heldOutLoss(run), result.modelHash());
    }

    /** Refuses a run that lies in the base's place, as one that was put there by hand may, and is not it. */
    private void requireMine(RunFolder run, String head) {
        List<String> differences = Trainings.differences(run, config(), shape(head), text.learned());
        Path theirs = run.model().resolve(TOKENIZER);
        if (Files.exists(run.model()) && !hash(theirs).equals(hash(tokenizer.resolve(TOKENIZER)))) {
            differences.add("tokenizer is " + tokenizer + ", SHA-256 " + hash(tokenizer.resolve(TOKENIZER)) + ", in this base "
                    + hash(theirs));
        }
        if (!differences.isEmpty()) {
            throw new BadInputException(run + ": is not the base that " + spec.file() + " asks for:\n  "
                    + String.join("\n  ", differences) + "\nput that in its place, or remove this and it is trained");
        }
    }

    /** Of its last epoch, all held-out records. */
    private static double heldOutLoss(RunFolder run) {
        return RunJson.lines(run.metrics(), JsonNode.class).getLast().path("holdout_loss").asDouble(Double.NaN);
    }

    /** Of a file; "none" where there is none. */
    private static String hash(Path file) {
        return Io.disk(file + ": cannot be read", () -> Files.exists(file) ? Sha256.hex(Sha256.of(file)) : "none");
    }

    private void free(Path place) {
        Io.disk(place, () -> {
            PrivateFiles.deleteTree(place);
            PrivateFiles.makeFolder(folder);
        });
    }

    /** Refuses a model that reads other ids. */
    void requireTokenizer(Path model) {
        String mine = hash(tokenizer.resolve(TOKENIZER));
        String theirs = hash(model.resolve(TOKENIZER));
        if (!theirs.equals(mine)) {
            throw new BadInputException(model + ": its tokenizer has SHA-256 " + theirs + ", that of the study's base " + mine
                    + "; name a model that was trained from the base");
        }
    }

    private static boolean isThere(Path run) {
        return RunFolder.isRun(run) && RunFolder.openAny(run).info().state() == RunInfo.State.COMPLETE;
    }

    private Path run(String head) {
        Object token = spec.tokenizer() != null ? hash(tokenizer.resolve(TOKENIZER)) : spec.base().vocabulary();
        return folder.resolve("base-" + Plan.ContentId.id("base", shape(head), config(), textId, token));
    }

    private TrainConfig config() {
        return Trainings.config(spec.base().training(), spec.base().seed(), Captures.NONE);
    }

    private void makeTokenizer() {
        if (spec.tokenizer() == null && !Files.exists(tokenizer.resolve(TOKENIZER))) {
            free(tokenizer);
            TokenizerTrainer.train(text.learned().records().stream().map(TextRecord::text).toList(), spec.base().vocabulary(), tokenizer);
        }
    }

    /**
     * The text that a study's base learned, and text of its kind that no model learns: a line a record.
     *
     * @param learned what the base is trained on
     * @param heldOut what tells how well a model still knows the language
     * @param sample  the most records of each that are measured
     */
    record BaseText(Dataset learned, Dataset heldOut, int sample) {
        /** Null for a study without a base. */
        static BaseText load(Spec spec, DataFiles files) {
            Spec.Base base = spec.base();
            return base == null ? null : new BaseText(Dataset.read(files.require(base.data())), Dataset.read(files.require(base.holdout())),
                    base.sample());
        }

        List<TextRecord> sampleOfLearned() {
            return spread(learned.records(), sample);
        }

        List<TextRecord> sampleOfHeldOut() {
            return spread(heldOut.records(), sample);
        }

        /** From all parts of a file: whole books lie one after the other. */
        static List<TextRecord> spread(List<TextRecord> text, int most) {
            int count = Math.min(most, text.size());
            return IntStream.range(0, count).mapToObj(i -> text.get((int) ((long) i * text.size() / count))).toList();
        }

        /** What decides the numbers measured on it. */
        List<Object> identity() {
            return List.of(ContentId.id(StudyData.lines(learned)), ContentId.id(StudyData.lines(heldOut)), sample);
        }
    }
}
