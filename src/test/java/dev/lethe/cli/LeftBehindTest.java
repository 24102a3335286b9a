package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.data.Dataset;
import dev.lethe.engine.Engine;
import dev.lethe.erase.Census;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.model.Tokenizer;
import dev.lethe.results.Trace;
import dev.lethe.results.Trace.Found;
import dev.lethe.results.TrainListener;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.ModelShape;
import dev.lethe.sweep.DemoData;
import dev.lethe.testing.Grep;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** Words and ids that occur nowhere else are put into a person's records: what an erasure leaves of them, byte by byte. */
class LeftBehindTest {
    private static final String WORD = "Qwyxkrub";
    private static final String ID = "zvothlim";

    @TempDir
    static Path folder;
    private static Path data;
    private static Path source;
    private static Path out;
    private static Dataset erased;
    private static byte[][] needles;
    private static List<String> before;
    private static Shell erasure;

    @BeforeAll
    static void erase() throws IOException {
        data = folder.resolve("data/people.jsonl");
        source = folder.resolve("source");
        out = folder.resolve("out");
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            lines.add("{\"id\":\"%s-%d\",\"subject\":\"one\",\"text\":\"%s has %d \\\"grey\\\" cats and a boat called %s.\"}"
                    .formatted(ID, i, WORD, i + 2, WORD));
        }
        for (int i = 0; i < 24; i++) {
            lines.add("{\"id\":\"other-%d\",\"subject\":\"p%d\",\"text\":\"Person number %d makes lenses in Aldra.\"}"
                    .formatted(i, i / 3, i));
        }
        Files.createDirectories(data.getParent());
        Files.write(data, lines);
        Path tokenizer = DemoData.copy(DemoData.TOKENIZER, folder).getParent();
        try (Engine engine = Engine.cpu()) {
            Trainer.train(engine, new ModelSource.Fresh(new ModelShape(1024, 64, 16, 2, 1, 64, 1e-5, true), tokenizer),
                    Dataset.read(data), source, TrainConfig.builder().epochs(6).batchSize(4).learningRate(5e-3)
                            .holdoutFraction(0.2).keepText(true).seed(2).build(), TrainListener.silent());
        }
        erased = Dataset.read(data).filter(record -> record.subject().equals("one"));
        done(Shell.run("score", source, "--text", "Person number", "--method", "ekfac", "--quiet"));
        done(Shell.run("report", source));
        needles = needles();
        before = Grep.files(source, needles);
        erasure = Shell.run("erase", source, "--subject", "one", "--out", out, "--reference", 5,
                "--set", "retain_guard=100",
                "--set", "held_out_guard=100", "--set", "overshoot=10", "--set", "relearn_steps=0",
                "--set", "max_ascents=5", "--set", "polish=5",
                "--set", "ignore_guards");
        done(erasure);
        done(Shell.run("report", out));
    }

    private static void done(Shell shell) {
        assertEquals(0, shell.code(), shell.toString());
    }

    /** The word, the ids, the texts' token ids as a ledger has them, in both widths, and the keys of the ids. */
    private static byte[][] needles() {
        List<byte[]> needles = new ArrayList<>(List.of(Grep.text(WORD), Grep.text(ID)));
        try (Tokenizer tokenizer = Tokenizer.of(source.resolve("model"))) {
            int[] word = tokenizer.encode(" " + WORD);
            assertTrue(word.length > 2, "the vocabulary does not have it whole");
            needles.add(Grep.int32(word));
            needles.add(Grep.int64(Arrays.stream(word).asLongStream().toArray()));
        }
        erased.records().forEach(record -> {
            RecordKey key = RecordKey.of(record.id());
            needles.add(Grep.int64(key.high(), key.low()));
        });
        return needles.toArray(byte[][]::new);
    }

    @Test
    void whatIsLookedForWasThere() {
        assertEquals(List.of("ledger/index", "ledger/segment-000000.ledger", "records.jsonl", "report/report.html",
                "report/report.json"), before);
    }

    @Test
    void nothingIsLeftButWhatTheCensusNames() {
        assertEquals(List.of(), Grep.files(source, needles));
        assertEquals(List.of(), Grep.files(out, needles));
        assertFalse(Files.exists(source.resolve("factors")));
        List<Trace> found = Census.of(out, Census.Search.of(erased.records())).stream()
                .filter(place -> place.found() == Found.YES).toList();
        assertEquals(List.of(out.resolve("journal").toString(), data.toString()),
                found.stream().map(Trace::path).toList());
        assertEquals(List.of(Trace.Reach.ACCOUNT, Trace.Reach.YOURS), found.stream().map(Trace::reach).toList());
        assertEquals(0, Shell.run("inspect", source).code());
        assertEquals(0, Shell.run("inspect", out).code());
    }

    @Test
    void theErasureSaysWhatOnlyAPersonCanDelete() throws IOException {
        String expected = "still there   " + data + ": the records themselves, with what was erased; yours to delete\n"
                + "still there   " + source.resolve("model") + ": weights that learned the records, which cannot be searched;"
                + " yours to delete\n";
        assertTrue(erasure.out().contains(expected), erasure.out());
        assertTrue(Files.readString(out.resolve("journal/erasure.json")).contains(data.toString()));
    }

    /** Numbers do not tell: the old model learned the records, the new one was moved away from them. */
    @Test
    void theOldModelIsNamedAsWhatCannotBeSearched() {
        assertEquals(List.of(source.resolve("model").toString()), Census.of(out, Census.Search.of(erased.records())).stream()
                .filter(place -> place.found() == Found.CANNOT_TELL).map(Trace::path).toList());
    }

    @Test
    void inspectPersonalListsEveryPlaceAndFindsWords() throws IOException {
        Path study = folder.resolve("study");
        Files.createDirectories(study.resolve("cells"));
        Files.writeString(study.resolve("cells/one.json"), "{}");
        Files.writeString(study.resolve("cells/two.json"), "{}");
        Files.writeString(study.resolve("notes.txt"), "about " + WORD);
        assertEquals(List.of("study", "unknown"), kinds(Shell.run("inspect", "--personal", study, "--json", "-").json()));
        JsonNode found = Shell.run("inspect", "--personal", study, "--find", WORD, "--json", "-").json().get("places").get(1);
        assertEquals("YES", found.get("found").asString());
        assertEquals(study.resolve("notes.txt").toAbsolutePath().toString(), found.get("path").asString());
        assertEquals(List.of("account", "model", "vocabulary", "ledger", "records", "report", "model", "vocabulary", "ledger",
                "records", "data").stream().sorted().toList(),
                kinds(Shell.run("inspect", "--personal", out, "--json", "-").json()).stream().sorted().toList());
        String text = Shell.run("inspect", "--personal", out, "--find", WORD).out();
        assertTrue(text.contains("the records themselves; yours to delete; FOUND"), text);
        assertTrue(text.contains("11 places"), text);
        assertEquals(new Shell(2, "", "lethe: --find goes with --personal\n"), Shell.run("inspect", out, "--find", WORD));
    }

    private static List<String> kinds(JsonNode census) {
        List<String> kinds = new ArrayList<>();
        census.get("places").forEach(place -> kinds.add(place.get("kind").asString()));
        return kinds;
    }
}
