package dev.lethe.sweep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.model.TokenizerTrainer;
import dev.lethe.results.TrainListener;
import dev.lethe.results.TrainStep;
import dev.lethe.run.RunFolder;
import dev.lethe.spec.CellResult;
import dev.lethe.spec.SpecReader;
import dev.lethe.sweep.Sweep.StudyListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A tiny base, made once, shared, resumed, refused; and a study of models that begin with it. */
@ExtendWith(NoLeaks.class)
class BaseStageTest {
    private static final String SPEC = """
            {"name": "based", "data": {"bundled": "people"}, "model": "gpt2:layers=1,hidden=32,heads=2,ctx=128",
             "base": {"data": "books/train.txt", "holdout": "books/held-out.txt", "vocabulary": 300, "sample": 5,
                      "training": {"epochs": 3, "batch": 8, "learning_rate": 1e-2}},
             "training": {"epochs": 2, "batch": 8, "learning_rate": 5e-3}, "forget": {"dave": {"subjects": ["dave"]}},
             "measure": {"retain_sample": 5}, "metrics": ["relearn"],
             "cells": [{"name": "default", "strategy": "last-epoch", "erase": {"max_ascents": 2, "polish": 9, "repair_budget": 1, "reference": 8}},
                       {"name": "kept", "strategy": "last-epoch", "erase": {"max_ascents": 2, "polish": 9, "repair_budget": 1, "reference": 8, "keep": 20}}]}
            """;

    @TempDir
    Path folder;
    private Path spec;

    @BeforeEach
    void write() throws IOException {
        spec = Files.writeString(folder.resolve("based.json"), SPEC);
        text(folder.resolve("data/books"));
    }

    private static void text(Path books) throws IOException {
        Files.createDirectories(books);
        Random random = new Random(1);
        String[] ends = "ba de ki lo mu na pe ri so tu".split(" ");
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            StringBuilder line = new StringBuilder("Once"); // of a thousand words, so that no line is nearly another
            random.ints(16, 0, 1000).forEach(word -> line.append(' ').append(ends[word / 100]).append(ends[word / 10 % 10])
                    .append(ends[word % 10]));
            lines.add(line + ".");
        }
        Files.write(books.resolve("train.txt"), lines.subList(0, 50));
        Files.write(books.resolve("held-out.txt"), lines.subList(50, 60));
    }

    private Sweep.Options options(String out) {
        return new Sweep.Options(folder.resolve(out), folder.resolve("data"), null, null);
    }

    /** Notes the names of trainings that are begun, and stops the first at a step. */
    private static StudyListener noting(List<String> trainings, long stopAt) {
        return new StudyListener() {
            @Override
            public TrainListener training(String name) {
                trainings.add(name);
                return new TrainListener() {
                    @Override
                    public void step(TrainStep step) {
                        if (step.step() == stopAt) {
                            throw new IllegalStateException("killed");
                        }
                    }
                };
            }
        };
    }

    @Test
    void everyModelBeginsWithTheBaseAndIsMeasuredOnItsText() throws IOException {
        List<String> trained = new ArrayList<>();
        try (Engine engine = Engine.cpu()) {
            List<CellResult> results = Sweep.run(engine, spec, options("out"), noting(trained, -1)).results();
            assertEquals(List.of("base", "original", "retrain", "default", "kept"), results.stream().map(CellResult::variant).toList());
            assertEquals("base tied", trained.getFirst());
            for (CellResult result : results) {
                assertTrue(result.metrics().get("base_text.loss") > 0 && result.metrics().get("base_text.learned_loss") > 0, result.toString());
            }
            double before = results.get(0).metrics().get("base_text.loss");
            assertTrue(results.get(1).metrics().get("base_text.loss") > before, "fine-tuning harms it");
            assertTrue(results.get(1).metrics().get("forget.loss") < results.get(0).metrics().get("forget.loss"));
            assertEquals(0, results.get(2).metrics().get("base_text.loss_gap"));
            assertTrue(results.get(3).metrics().containsKey("base_text.loss_gap"));
            assertNotEquals(results.get(4).metrics().get("base_text.loss"), results.get(3).metrics().get("base_text.loss"));
            assertEquals(20, Files.readAllLines(folder.resolve("out/data/keep-20.txt")).size());
            RunFolder base = base("out");
            assertTrue(before < Math.log(300) - 1 && before > 1, "it knows the text: " + before);
            try (Stream<Path> runs = Files.list(folder.resolve("out/runs"))) {
                assertTrue(runs.allMatch(run -> RunFolder.open(run).info().source().modelHash().equals(base.info().result().modelHash())));
            }
            assertTrue(Files.readString(folder.resolve("out/study.html")).contains("base text loss, nats"));
            trained.clear();
            Sweep.run(engine, spec, options("out"), noting(trained, -1));
            assertEquals(List.of(), trained, "all is there");
            Path other = Files.writeString(folder.resolve("other.json"), SPEC.replace("\"epochs\": 2", "\"epochs\": 1"));
            Sweep.run(engine, other, new Sweep.Options(folder.resolve("other"), folder.resolve("data"), null, null,
                    folder.resolve("out/base")), noting(trained, -1));
            assertEquals(List.of("train seed 0 tied", "retrain without dave seed 0 tied"), trained, "another study shares the base");
        }
    }

    private RunFolder base(String out) throws IOException {
        try (Stream<Path> all = Files.list(folder.resolve(out).resolve("base"))) {
            return RunFolder.open(all.filter(RunFolder::isRun).findFirst().orElseThrow());
        }
    }

    @Test
    void aKilledBaseGoesOnAndIsTheSame() throws IOException {
        List<String> trained = new ArrayList<>();
        try (Engine engine = Engine.cpu()) {
            Sweep.Base whole = Sweep.makeBases(engine, spec, options("whole"), StudyListener.SILENT).getFirst();
            assertEquals(3 * 7, whole.steps());
            assertThrows(RuntimeException.class, () -> Sweep.makeBases(engine, spec, options("cut"), noting(trained, 10)));
            assertThrows(BadInputException.class, () -> base("cut"), "it has not finished");
            Sweep.Base cut = Sweep.makeBases(engine, spec, options("cut"), noting(trained, -1)).getFirst();
            assertEquals(List.of("base tied", "base tied"), trained);
            assertEquals(whole.modelHash(), cut.modelHash());
            assertEquals(whole.heldOutLoss(), cut.heldOutLoss());
            text(folder.resolve("elsewhere/books"));
            Sweep.Base moved = Sweep.makeBases(engine, spec, new Sweep.Options(folder.resolve("moved"), folder.resolve("elsewhere"), null,
                    null), StudyListener.SILENT).getFirst();
            assertEquals(whole.run().getFileName(), moved.run().getFileName(), "named after what decides it, not where it lies");
            assertFalse(Files.exists(folder.resolve("whole/runs")) || Files.exists(folder.resolve("whole/data")), "only the base is made");
        }
    }

    @Test
    void everyHeadOfALlamaHasABaseOfItsOwn() throws IOException {
        Path llama = Files.writeString(folder.resolve("llama.json"), SPEC.replace("\"name\": \"based\"", "\"heads\": [\"tied\", \"untied\"]")
                .replace("gpt2:layers=1,hidden=32,heads=2", "llama:layers=1,hidden=32,heads=2,kv=1,inner=48")
                .replaceFirst("(?s)\"cells\".*", "\"cells\": []}"));
        try (Engine engine = Engine.cpu()) {
            List<CellResult> results = Sweep.run(engine, llama, options("llama"), StudyListener.SILENT).results();
            assertEquals(2 * 3, results.size());
            List<Double> bases = results.stream().filter(result -> result.variant().startsWith("base"))
                    .map(result -> result.metrics().get("base_text.loss")).toList();
            assertEquals(2, bases.size());
            assertNotEquals(bases.get(0), bases.get(1));
            assertTrue(bases.stream().allMatch(loss -> loss < Math.log(300) - 1), bases.toString());
        }
    }

    @Test
    void aBaseWithoutItsTextIsRefusedBeforeAnythingIsWritten() throws IOException {
        Files.delete(folder.resolve("data/books/held-out.txt"));
        try (Engine engine = Engine.cpu()) {
            for (var refused : List.of(assertThrows(BadInputException.class, () -> Sweep.run(engine, spec, options("none"), StudyListener.SILENT)),
                    assertThrows(BadInputException.class, () -> Sweep.makeBases(engine, spec, options("none"), StudyListener.SILENT)))) {
                assertTrue(refused.getMessage().contains("there is no books/held-out.txt in " + folder.resolve("data")), refused.getMessage());
            }
            assertFalse(Files.exists(folder.resolve("none")));
        }
    }

    @Test
    void aBaseOfAnotherTokenizerIsRefusedByName() throws IOException {
        try (Engine engine = Engine.cpu()) {
            Sweep.makeBases(engine, spec, options("out"), StudyListener.SILENT);
            RunFolder base = base("out");
            Path other = folder.resolve("tokenizer");
            TokenizerTrainer.train(Files.readAllLines(folder.resolve("data/books/held-out.txt")), 280, other);
            Files.copy(other.resolve("tokenizer.json"), base.model().resolve("tokenizer.json"),
                    java.nio.file.StandardCopyOption.REPLACE_EXISTING);
            String refused = assertThrows(BadInputException.class, () -> Sweep.run(engine, spec, options("out"), StudyListener.SILENT)).getMessage();
            assertTrue(refused.startsWith(base + ": is not the base that " + spec + " asks for:\n  tokenizer is "), refused);
            assertFalse(Files.exists(folder.resolve("out/runs")) || Files.exists(folder.resolve("out/cells")));
            Path given = Files.writeString(folder.resolve("given.json"), SPEC.replace("\"vocabulary\": 300, ", "")
                    .replace("\"base\":", "\"tokenizer\": \"" + other + "\", \"base\":").replace("ctx=128", "ctx=128,vocab=300"));
            Sweep.Base made = Sweep.makeBases(engine, given, options("out"), StudyListener.SILENT).getFirst();
            assertNotEquals(base.root(), made.run());
            Path adopted = Files.writeString(folder.resolve("adopted.json"), SPEC.replace("\"training\": {\"epochs\": 2",
                    "\"training\": {\"model\": \"" + made.run().resolve("model") + "\", \"epochs\": 2"));
            assertTrue(assertThrows(BadInputException.class, () -> Sweep.run(engine, adopted, options("adopted"), StudyListener.SILENT))
                    .getMessage().startsWith(made.run().resolve("model") + ": its tokenizer has SHA-256 "));
        }
    }

    @Test
    void whatDoesNotFitTogetherIsToldAtOnce() throws IOException {
        Path bad = Files.writeString(folder.resolve("bad.json"), SPEC.replace("ctx=128", "ctx=128,vocab=1024")
                .replace("\"base\": {", "\"tokenizer\": \"t\", \"base\": {").replace("1e-2}", "1e-2, \"rank\": 4}"));
        String message = assertThrows(BadInputException.class, () -> SpecReader.read(bad)).getMessage();
        assertEquals(bad + """
                : 3 problems
                  $.base.training.rank: is not known here (of the base, as the study's; nothing is captured); the nearest is batch; \
                known are epochs, batch, learning_rate, schedule, warmup, weight_decay, max_norm
                  $.base.vocabulary: is needed, or $.tokenizer, and not both: the tokenizer is made of the text or given
                  $.model: has vocab=1024, and the base's tokenizer has 300; leave vocab out""", message);
        Path none = Files.writeString(folder.resolve("none.json"), SPEC.replaceFirst("(?s)\"base\": .*?}},", "")
                .replace("ctx=128", "ctx=128,vocab=1024").replace("\"keep\": 20", "\"keep\": 1.5, \"keep_guard\": 0"));
        assertEquals(none + """
                : 3 problems
                  $.cells[1].erase.keep: is 1.5, must be a whole number or a list
                  $.cells[1].erase.keep: is 1.5, must be at least 2
                  $.cells[1].erase.keep_guard: is 0, must be above 0""",
                assertThrows(BadInputException.class, () -> SpecReader.read(none)).getMessage());
        Files.writeString(none, Files.readString(none).replace("\"keep\": 1.5, \"keep_guard\": 0", "\"keep\": 15"));
        assertTrue(assertThrows(BadInputException.class, () -> SpecReader.read(none)).getMessage()
                .endsWith("$.cells[1].erase.keep: is text of the base, which the study has none of"));
        Path model = Files.writeString(folder.resolve("folder.json"), SPEC.replace("gpt2:layers=1,hidden=32,heads=2,ctx=128", "some/folder"));
        assertTrue(assertThrows(BadInputException.class, () -> SpecReader.read(model)).getMessage().contains(
                "$.base: trains a model of given sizes, and $.model is a folder"));
    }
}
