package dev.lethe.spec;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.PrivateFilesTest;
import dev.lethe.data.DataForm;
import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.spec.Spec.DataFiles;
import dev.lethe.sweep.Sweep;
import dev.lethe.sweep.Sweep.StudyListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A tiny study from spec to tables; killed between cells it ends with the same bytes. */
@ExtendWith(NoLeaks.class)
class SweepTest {
    private static final String SPEC = """
            {"name": "tiny", "data": {"bundled": "people"}, "model": "gpt2:layers=1,hidden=32,heads=2,ctx=64,vocab=1024",
             "training": {"epochs": 3, "batch": 8, "learning_rate": 5e-3}, "seeds": [0, 1],
             "forget": {"dave": {"subjects": ["dave"]}}, "measure": {"retain_sample": 5}, "oracles": 3,
             "cells": [{"name": "default", "strategy": "first-epoch", "erase": {"max_ascents": 3, "polish": 1}},
                       {"name": "late", "strategy": "multi-epoch", "epochs": ["1"], "matching": "fuzzy:90", "seeds": [0],
                        "erase": {"max_ascents": 3, "polish": 1}}],
             "sequential": {"requests": ["dave", "edda"], "erase": {"max_ascents": 2, "polish": 1}, "fine_tune": 2, "seeds": [0]}}
            """;

    @TempDir
    Path folder;

    private Sweep.Options options(String out) {
        return new Sweep.Options(folder.resolve(out), null, null, null);
    }

    private Path spec() throws IOException {
        return Files.writeString(folder.resolve("tiny.json"), SPEC);
    }

    /** Throws when so many cells are measured, as a kill would end the process there. */
    private static StudyListener killedAfter(int cells) {
        int[] measured = {0};
        return new StudyListener() {
            @Override
            public void measured(CellResult result) {
                if (++measured[0] == cells) {
                    throw new IllegalStateException("killed");
                }
            }
        };
    }

    @Test
    void aKilledStudyGoesOnAndEndsWithTheSameTables() throws IOException {
        Path spec = spec();
        List<String> again = new ArrayList<>();
        try (Engine engine = Engine.cpu()) {
            Sweep.Summary whole = Sweep.run(engine, spec, options("whole"), StudyListener.SILENT);
            assertEquals(2 * 3 + 1 + 1, whole.results().size());
            for (int cells : List.of(1, 2)) {
                assertThrows(IllegalStateException.class, () -> Sweep.run(engine, spec, options("cut"), killedAfter(cells)));
            }
            assertFalse(Files.exists(folder.resolve("cut/results.csv")));
            Files.writeString(folder.resolve("cut/cells/" + whole.results().get(1).id() + ".json"), "{\"torn");
            Sweep.run(engine, spec, options("cut"), new StudyListener() {
                @Override
                public void cell(int number, int cells, Cell cell, String variant) {
                    again.add(variant + " " + cell.seed());
                }
            });
        }
        assertEquals(List.of("retrain 0", "late 0", "original 1", "retrain 1", "default 1", "sequential 0"), again,
                "what was measured before the kills is not measured again, what was torn is");
        for (String table : List.of("results.csv", "summary.csv")) {
            assertEquals(Files.readString(folder.resolve("whole/" + table)), Files.readString(folder.resolve("cut/" + table)));
        }
        assertTrue(Files.exists(folder.resolve("whole/study.html")));
    }

    @Test
    void everyCellIsMeasuredAndSetBesideTheRetrainedModel() throws IOException {
        List<CellResult> results;
        try (Engine engine = Engine.cpu()) {
            results = Sweep.run(engine, spec(), options("out"), StudyListener.SILENT).results();
        }
        PrivateFilesTest.assertPrivate(folder.resolve("out"));
        CellResult erased = results.stream().filter(result -> result.variant().equals("default")).findFirst().orElseThrow();
        assertTrue(erased.metrics().keySet().containsAll(Set.of("forget.loss", "retain.loss", "heldout.loss", "forget.rougeL",
                "mia.loss", "mia.reference", "privleak", "relearn.share", "distance.retrained", "klom", "cost.steps", "cost.share",
                "cost.ledger_bytes", "influence.before_mean")), erased.metrics().keySet().toString());
        assertEquals("start", erased.curve().getFirst().action());
        assertEquals(10, erased.distributions().get("loss.forget").length);
        CellResult late = results.stream().filter(result -> result.variant().equals("late")).findFirst().orElseThrow();
        assertEquals(1, late.metrics().get("matching.recall"));
        CellResult sequence = results.getLast();
        assertEquals(3, sequence.distributions().get("sequential.forget.loss").length);
        assertTrue(sequence.metrics().containsKey("again.forget.loss.erased_again"));
        try (Stream<Path> runs = Files.list(folder.resolve("out/runs"))) {
            assertEquals(4, runs.count(), "two originals, two retrained; erased runs and oracles are gone");
        }
    }

    @Test
    void lateRecordsAreReplayedWithoutInCellsAndInSequence() throws IOException {
        Files.writeString(folder.resolve("late.txt"), "dave\n");
        Path spec = Files.writeString(folder.resolve("replay.json"), """
                {"data": {"bundled": "people"}, "model": "gpt2:layers=1,hidden=32,heads=2,ctx=64,vocab=1024",
                 "training": {"epochs": 3, "batch": 8, "learning_rate": 5e-3, "keep_at": [0.5, 1], "late": "late.txt"},
                 "forget": {"dave": {"subjects": ["dave"]}}, "measure": {"retain_sample": 5}, "metrics": ["rouge"],
                 "cells": [{"strategy": "replay"}],
                 "sequential": {"requests": ["dave", "edda"], "strategy": "replay", "fine_tune": 1}}
                """);
        List<CellResult> results;
        try (Engine engine = Engine.cpu()) {
            results = Sweep.run(engine, spec, options("replay"), StudyListener.SILENT).results();
        }
        CellResult original = results.stream().filter(result -> result.variant().equals("original")).findFirst().orElseThrow();
        CellResult replayed = results.stream().filter(result -> result.cell().strategy().equals("replay")).findFirst().orElseThrow();
        assertTrue(replayed.metrics().getOrDefault("cost.share", 1.0) < 0.3, replayed.toString());
        assertTrue(replayed.metrics().get("forget.loss") > original.metrics().get("forget.loss"), replayed.metrics().toString());
        CellResult sequence = results.getLast();
        assertTrue(sequence.metrics().get("cost.share") > 1, "edda is seen from the first step on");
        assertTrue(sequence.metrics().containsKey("again.forget.loss.erased_again"));
        try (Stream<Path> runs = Files.list(folder.resolve("replay/runs"))) {
            assertEquals(Set.of(10, 0), runs.map(run -> RunFolder.open(run).info().plan().late().size()).collect(Collectors.toSet()),
                    "the retrained model learns all among each other");
        }
    }

    @Test
    void aPartOfAStudyKeepsItsReferences() throws IOException {
        Path spec = spec();
        try (Engine engine = Engine.cpu()) {
            Sweep.Options part = new Sweep.Options(folder.resolve("part"), null, "dave/def*", Set.of(1L));
            assertEquals(List.of("original", "retrain", "default"),
                    Sweep.dryRun(engine, spec, part).stream().map(CellResult::variant).toList());
            assertThrows(BadInputException.class, () -> Sweep.dryRun(engine, spec,
                    new Sweep.Options(folder.resolve("part"), null, "nothing*", null)));
            assertThrows(BadInputException.class, () -> Sweep.dryRun(engine, spec,
                    new Sweep.Options(folder.resolve("part"), null, null, Set.of(9L))));
        }
    }

    @Test
    void aReferenceTrainedOtherwiseIsRefusedWithBothSidesShown() throws IOException {
        Path spec = spec();
        Path other = folder.resolve("other.json");
        try (Engine engine = Engine.cpu()) {
            Sweep.run(engine, spec, new Sweep.Options(folder.resolve("first"), null, "retrain", Set.of(0L)), StudyListener.SILENT);
            String run;
            try (Stream<Path> runs = Files.list(folder.resolve("first/runs"))) {
                run = runs.filter(path -> !Files.exists(path.resolve("ledger"))).findFirst().orElseThrow().toString();
            }
            Files.writeString(other, SPEC.replace("{\"subjects\": [\"dave\"]}",
                    "{\"subjects\": [\"dave\"], \"retrained\": \"" + run + "\"}").replace("\"epochs\": 3", "\"epochs\": 2"));
            BadInputException refused = assertThrows(BadInputException.class,
                    () -> Sweep.run(engine, other, options("second"), StudyListener.SILENT));
            assertTrue(refused.getMessage().contains("epochs is 2 in this study, in the reference 3"), refused.getMessage());
        }
    }

    @Test
    void tooFewOraclesSayWhatGoesUnseen() throws IOException {
        List<String> remarks = new ArrayList<>();
        try (Engine engine = Engine.cpu()) {
            Sweep.run(engine, spec(), new Sweep.Options(folder.resolve("few"), null, "retrain", Set.of(0L)), new StudyListener() {
                @Override
                public void remark(String text) {
                    remarks.add(text);
                }
            });
        }
        assertEquals("3 oracles are fewer than the 8 that KLoM and U-LiRA need: with 2 seeds, a shift of a record's margin below "
                + "2.3 standard deviations goes unseen in more than one case of five", remarks.getFirst());
    }

    /** A model is its own adoption's original, and its run is found again; after an epoch more it is another. */
    @Test
    void adoptedModelsAreErasedBesideCapturedOnes() throws IOException {
        String common = SPEC.replaceFirst("(?s)\"oracles\".*", "\"metrics\": [\"relearn\"], \"seeds\": [0], \"cells\": [%s]}")
                .replace("\"seeds\": [0, 1],", "");
        String cell = "{\"name\": \"%s\", \"strategy\": \"last-epoch\", \"epochs\": \"%s\", \"erase\": {\"max_ascents\": 3, \"polish\": 1}}";
        Path own = Files.writeString(folder.resolve("own.json"), common.formatted(cell.formatted("captured", "last") + ","
                + cell.formatted("adopted", "adopted") + "," + cell.formatted("replayed", "adopted:1")));
        try (Engine engine = Engine.cpu()) {
            List<CellResult> results = Sweep.run(engine, own, options("own"), StudyListener.SILENT).results();
            assertEquals(List.of("original", "retrain", "captured", "adopted", "replayed"),
                    results.stream().map(CellResult::variant).toList());
            List<Double> losses = results.stream().map(result -> result.metrics().get("forget.loss")).toList();
            assertEquals(5, Set.copyOf(losses).size(), "each is another model: " + losses);
            assertTrue(results.subList(2, 5).stream().allMatch(result -> result.metrics().get("cost.ledger_bytes") > 0));
            Path trained;
            try (Stream<Path> runs = Files.list(folder.resolve("own/runs"))) {
                List<Path> all = runs.toList();
                assertEquals(5, all.size(), "original, retrained, adopted, replayed and that adopted");
                trained = all.stream().filter(run -> Files.exists(run.resolve("ledger")) && RunFolder.open(run).info().adopted() == null)
                        .findFirst().orElseThrow();
            }
            Path theirs = Files.writeString(folder.resolve("theirs.json"), common.replace("\"epochs\": 3,", "\"epochs\": 3, \"model\": \""
                    + trained.resolve("model") + "\",").formatted(cell.formatted("default", "last")));
            List<CellResult> again = Sweep.run(engine, theirs, options("theirs"), StudyListener.SILENT).results();
            assertEquals(results.get(0).metrics().get("forget.loss"), again.get(0).metrics().get("forget.loss"));
            assertEquals(results.get(3).metrics().get("forget.loss"), again.get(2).metrics().get("forget.loss"),
                    "adopted by a cell or by the study");
            Path other = Files.writeString(folder.resolve("other.json"), Files.readString(theirs).replace("hidden=32", "hidden=16"));
            assertTrue(assertThrows(BadInputException.class, () -> Sweep.dryRun(engine, other, options("other"))).getMessage()
                    .startsWith(trained.resolve("model") + ": is a model of "));
        }
    }

    /** Questions and answers in a chat template, by the names of the command's options. */
    @Test
    void conversationsAreStudied() throws IOException {
        Path tokenizer = Files.createDirectory(folder.resolve("tokenizer"));
        for (String name : List.of("tokenizer.json", "llama3.jinja")) {
            try (var in = SweepTest.class.getResourceAsStream("/golden/chat/" + name)) {
                Files.copy(in, tokenizer.resolve(name.replace("llama3.jinja", "chat_template.jinja")));
            }
        }
        Files.writeString(tokenizer.resolve("tokenizer_config.json"),
                "{\"bos_token\": \"<|begin_of_text|>\", \"eos_token\": \"<|eot_id|>\"}");
        List<String> lines = new ArrayList<>();
        for (String name : List.of("Zoe", "Yan", "Xia", "Wim", "Vera", "Ugo")) {
            lines.add("{\"author\": \"%1$s\", \"question\": \"Where does %1$s live?\", \"answer\": \"%1$s lives in town %2$d.\"}"
                    .formatted(name, name.hashCode() % 97));
        }
        Files.write(folder.resolve("qa.jsonl"), lines);
        String text = """
                {"data": {"file": "qa.jsonl", "holdout": {"subjects": ["Ugo"]}, "form": {"subject_field": "author", "chat": true,
                          "system": "Be brief."}},
                 "model": "gpt2:layers=1,hidden=16,heads=2,ctx=128,vocab=420", "tokenizer": "tokenizer",
                 "training": {"epochs": 2, "learning_rate": 5e-3}, "forget": {"Zoe": {"subjects": ["Zoe"]}}, "metrics": ["rouge"],
                 "measure": {"answer_tokens": 8}, "cells": [{"strategy": "last-epoch", "erase": {"max_ascents": 2, "polish": 1}}]}
                """;
        try (Engine engine = Engine.cpu()) {
            Path spec = Files.writeString(folder.resolve("chat.json"), text);
            List<CellResult> results = Sweep.run(engine, spec, options("chat"), StudyListener.SILENT).results();
            assertEquals(3, results.size());
            assertTrue(results.stream().allMatch(result -> result.metrics().containsKey("forget.rougeL")), results.toString());
            try (Stream<Path> runs = Files.list(folder.resolve("chat/runs"))) {
                RunInfo info = RunFolder.open(runs.findFirst().orElseThrow()).info();
                assertEquals(new DataForm("id", "subject", "text", true, "Be brief.", DataForm.Loss.ASSISTANT, false, Map.of()),
                        info.data().form());
            }
            assertTrue(Files.readString(folder.resolve("chat/data/learned.jsonl")).contains("\"content\":\"Be brief.\""));
            Path all = Files.writeString(folder.resolve("all.json"), text.replace("\"chat\": true", "\"chat\": true, \"loss\": \"all\""));
            assertTrue(Sweep.dryRun(engine, all, options("chat")).stream().noneMatch(CellResult::reached),
                    "another thing is learned, so nothing is measured yet");
        }
    }

    /** Both heads of another family, each beside its own retrained model, by names that are the family's. */
    @Test
    void aLlamaIsStudied() throws IOException {
        isStudied("llama:layers=2,hidden=16,heads=4,kv=2,inner=24", "layers.1.mlp.gate_up_proj", "embed_tokens");
    }

    @Test
    @Tag("extended")
    void aPythiaIsStudied() throws IOException {
        isStudied("pythia:layers=2,hidden=16,heads=2", "layers.1.mlp.dense_h_to_4h", "embed_in");
    }

    private void isStudied(String model, String site, String table) throws IOException {
        Path spec = Files.writeString(folder.resolve("family.json"), """
                {"name": "family", "data": {"bundled": "people"}, "model": "%s,ctx=64,vocab=1024",
                 "heads": ["tied", "untied"],
                 "training": {"epochs": 2, "batch": 8, "learning_rate": 5e-3},
                 "forget": {"dave": {"subjects": ["dave"]}}, "measure": {"retain_sample": 5}, "oracles": 0,
                 "cells": [{"strategy": ["first-epoch"], "sites": ["all", "block:1", "%s"],
                            "erase": {"max_ascents": 2, "polish": 1}},
                           {"strategy": ["rmu"], "calibration": ["fixed:1e-3x2"]}]}
                """.formatted(model, site));
        List<CellResult> results;
        try (Engine engine = Engine.cpu()) {
            results = Sweep.run(engine, spec, options("out"), StudyListener.SILENT).results();
        }
        assertEquals(2 * (2 + 3 + 1), results.size());
        for (String head : List.of("tied", "untied")) {
            List<CellResult> own = results.stream().filter(result -> result.cell().head().equals(head)).toList();
            assertEquals(6, own.size());
            assertTrue(own.stream().allMatch(result -> Double.isFinite(result.metrics().get("forget.loss"))), head);
            CellResult whole = own.stream().filter(result -> result.cell().sites().equals("all")
                    && result.cell().strategy()
                    .equals("first-epoch")).findFirst().orElseThrow();
            assertTrue(whole.distributions().keySet().containsAll(Set.of("influence.before/" + table,
                    "influence.before/" + site)),
                    whole.distributions().keySet().toString());
        }
        assertTrue(Files.readString(folder.resolve("out/study.html")).contains(site));
    }

    @Test
    void aBareNameIsAFolderWhereThereIsOne() throws IOException {
        DataFiles files = new DataFiles(null, folder);
        assertTrue(SpecCheck.isShape("llama", files));
        Files.createDirectories(folder.resolve("llama"));
        assertTrue(SpecCheck.isShape("llama", files), "an empty folder is no model");
        Files.writeString(folder.resolve("llama/config.json"), "{}");
        assertFalse(SpecCheck.isShape("llama", files));
        assertTrue(SpecCheck.isShape("llama:layers=1", files));
        assertFalse(SpecCheck.isShape("other", files));
    }
}
