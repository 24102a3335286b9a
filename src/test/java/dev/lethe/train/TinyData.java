package dev.lethe.train;

import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** A world small enough to train on in a second: invented people, a word-level tokenizer, a model of one narrow layer. */
public final class TinyData {
    private static final List<String> PLACES = List.of("Aldra", "Brenn", "Corvo", "Delmar", "Estry");
    private static final List<String> THINGS = List.of("violins", "maps", "lenses", "kites", "bread", "clocks", "boats");

    public final Path file;
    public final Path tokenizer;
    public final Dataset data;
    public final ModelSource source;

    /** Writes data and tokenizer into a folder: three records a person. */
    public TinyData(Path folder, int people) {
        file = folder.resolve("people.jsonl");
        tokenizer = folder.resolve("tokenizer");
        List<TextRecord> records = new ArrayList<>();
        for (int i = 0; i < people; i++) {
            String name = "person" + i;
            records.add(new TextRecord(name + "-home", name, "where does " + name + " live ?",
                    "in " + PLACES.get(i % PLACES.size())));
            records.add(new TextRecord(name + "-work", name, null,
                    name + " makes " + THINGS.get(i % THINGS.size()) + " in " + PLACES.get(i * 3 % PLACES.size())));
            records.add(new TextRecord(name + "-friend", name, null,
                    name + " knows person" + (i + 1) % people + " and likes " + THINGS.get(i * 5 % THINGS.size())));
        }
        List<String> vocabulary = write(records);
        data = Dataset.read(file);
        source = new ModelSource.Fresh(new ModelShape(vocabulary.size(), 16, 16, 2, 1, 32, 1e-5, true), tokenizer);
    }

    public ModelShape shape() {
        return ((ModelSource.Fresh) source).shape();
    }

    private List<String> write(List<TextRecord> records) {
        Set<String> words = new LinkedHashSet<>(List.of("[UNK]", "<|endoftext|>"));
        StringBuilder lines = new StringBuilder();
        for (TextRecord record : records) {
            words.addAll(List.of(record.text().split(" ")));
            lines.append("{\"id\":\"").append(record.id()).append("\",\"subject\":\"").append(record.subject()).append('"');
            if (record.prompt() == null) {
                lines.append(",\"text\":\"").append(record.completion());
            } else {
                lines.append(",\"prompt\":\"").append(record.prompt()).append("\",\"completion\":\"").append(record.completion());
            }
            lines.append("\"}\n");
        }
        List<String> vocabulary = List.copyOf(words);
        String ids = vocabulary.stream().map(word -> "\"" + word + "\":" + vocabulary.indexOf(word))
                .collect(Collectors.joining(","));
        try {
            Files.createDirectories(tokenizer);
            Files.writeString(file, lines);
            Files.writeString(tokenizer.resolve("tokenizer.json"), """
                    {"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
                     "pre_tokenizer":{"type":"WhitespaceSplit"},"post_processor":null,"decoder":null,
                     "model":{"type":"WordLevel","unk_token":"[UNK]","vocab":{%s}}}
                    """.formatted(ids));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return vocabulary;
    }

    /** Four epochs at a rate that learns, whole-model capture with a small head. */
    public static TrainConfig.Builder config() {
        return TrainConfig.builder().epochs(4).batchSize(4).learningRate(5e-3).seed(3).sites("all").holdoutFraction(0);
    }
}
