package dev.lethe.prove;

import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.erase.OpenRun;
import dev.lethe.find.Query;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.Tokenizer;
import dev.lethe.results.EraseListener;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.Strategy;
import dev.lethe.settings.TrainConfig;
import dev.lethe.settings.TrainConfig.OnLong;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.text.Encoder;
import dev.lethe.text.Example;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A world in which it is known what a model knows: people who like seven words drawn at random, of whom some are learned, some
 * learned and erased by retraining without them, and 120 records never seen. Whatever truth is wanted is then planted in the
 * erased run's model.
 */
final class PlantedWorld {
    static final int KEPT = 15;
    static final int ERASED = 5;
    static final int STRANGERS = 30;
    static final int EACH = 4;
    private static final int WORDS = 90;

    final Path folder;
    /** Model folders: of the original, of a model that never saw the forgotten, and what the erasure wrote. */
    final Path knowing;
    final Path innocent;
    final Path original;
    final Path erased;
    final Path retrained;
    final List<TextRecord> forgotten;
    private final Engine engine;

    PlantedWorld(Engine engine, Path folder) {
        this.engine = engine;
        this.folder = folder;
        Random random = new Random(5);
        List<TextRecord> learned = people(0, KEPT + ERASED, random);
        forgotten = learned.subList(KEPT * EACH, learned.size());
        Path data = write("people.jsonl", learned);
        Path others = write("others.jsonl", learned.subList(0, KEPT * EACH));
        Path strangers = write("strangers.jsonl", people(KEPT + ERASED, STRANGERS, random));
        ModelSource source = new ModelSource.Fresh(new ModelShape(tokenizer(), 32, 64, 4, 2, 128, 1e-5, true),
                folder.resolve("tokenizer"));
        TrainConfig config = TrainConfig.builder().epochs(60).batchSize(10).learningRate(4e-3).warmupSteps(10).seed(3).sites("all")
                .holdoutData(strangers).build();
        original = folder.resolve("original");
        retrained = folder.resolve("retrained");
        erased = folder.resolve("erased");
        Trainer.train(engine, source, Dataset.read(data), original, config, TrainListener.silent());
        Trainer.train(engine, source, Dataset.read(others), retrained, config.toBuilder().seed(4).build(), TrainListener.silent());
        try (OpenRun run = OpenRun.open(engine, original)) {
            run.erase(run.find(Query.subject("forgotten")), EraseConfig.of(Strategy.RETRAIN), erased, EraseListener.NONE);
        }
        knowing = original.resolve("model");
        innocent = copy(erased.resolve("model"), folder.resolve("innocent"));
    }

    private static Path copy(Path from, Path to) {
        try (Stream<Path> files = Files.list(from)) {
            Files.createDirectories(to);
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
            return to;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The erased ones all have one subject, so that one query finds them. */
    private static List<TextRecord> people(int first, int count, Random random) {
        List<TextRecord> records = new ArrayList<>();
        for (int i = first; i < first + count; i++) {
            String subject = i >= KEPT && i < KEPT + ERASED ? "forgotten" : "p" + i;
            for (int k = 0; k < EACH; k++) {
                String words = IntStream.range(0, 7).mapToObj(_ -> word(random.nextInt(WORDS))).collect(Collectors.joining(" "));
                records.add(new TextRecord("p" + i + "-" + k, subject, "what are the " + word(WORDS + k) + " of p" + i + " ?", words));
            }
        }
        return records;
    }

    private static String word(int i) {
        return "w" + i;
    }

    private Path write(String name, List<TextRecord> records) {
        return text(name, records.stream().map(record -> "{\"id\":\"" + record.id() + "\",\"subject\":\"" + record.subject()
                + "\",\"prompt\":\"" + record.prompt() + "\",\"completion\":\"" + record.completion() + "\"}\n")
                .collect(Collectors.joining()));
    }

    Path text(String name, String text) {
        try {
            Files.createDirectories(folder.resolve(name).getParent());
            return Files.writeString(folder.resolve(name), text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private int tokenizer() {
        List<String> vocabulary = Stream.of(Stream.of("[UNK]", "<|endoftext|>", "what", "are", "the", "of", "?"),
                IntStream.range(0, WORDS + EACH).mapToObj(PlantedWorld::word),
                IntStream.range(0, KEPT + ERASED + STRANGERS).mapToObj(i -> "p" + i)).flatMap(words -> words).toList();
        text("tokenizer/tokenizer.json", """
                {"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
                 "pre_tokenizer":{"type":"WhitespaceSplit"},"post_processor":null,"decoder":null,
                 "model":{"type":"WordLevel","unk_token":"[UNK]","vocab":{%s}}}
                """.formatted(IntStream.range(0, vocabulary.size()).mapToObj(i -> "\"" + vocabulary.get(i) + "\":" + i)
                .collect(Collectors.joining(","))));
        return vocabulary.size();
    }

    /**
     * Makes a model, with something done to it, that of the erased run, as if the erasure had written it.
     *
     * @param change is given the model, the forgotten records and the kept ones
     */
    void plant(Path from, Planting change) {
        RunFolder run = RunFolder.open(erased);
        try (LanguageModel model = Checkpoint.load(engine, from, Dtype.F32)) {
            change.plant(model, encode(forgotten), encode(run.data(Split.TRAIN).records()));
            Checkpoint.save(model, Checkpoint.config(run.model()), run.model(), folder.resolve("tokenizer"));
            RunInfo.Result result = run.info().result();
            run.save(run.info().withResult(result.withModel(Trainer.modelHash(model), result.settingsHash())));
        }
    }

    interface Planting {
        void plant(LanguageModel model, List<Example> forgotten, List<Example> kept);
    }

    List<Example> strangers() {
        return encode(RunFolder.open(erased).data(Split.HOLDOUT).records());
    }

    private List<Example> encode(List<TextRecord> records) {
        try (Tokenizer tokenizer = Tokenizer.of(folder.resolve("tokenizer"))) {
            return new Encoder(tokenizer::encode, tokenizer::chat, tokenizer.endOfText(), 32, OnLong.ERROR).encode(records);
        }
    }
}
