package dev.lethe.spec;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.data.DataForm;
import dev.lethe.engine.ModelLayout;
import dev.lethe.settings.ModelSource;
import dev.lethe.spec.Spec.DataFiles;
import dev.lethe.spec.Spec.Metrics;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What a spec may say, and that everything wrong with one is told at once. */
class SpecReaderTest {
    private static final Path SPECS = Path.of(System.getProperty("lethe.root", "."), "specs");

    @TempDir
    Path folder;

    private Path write(String json) throws IOException {
        return Files.writeString(folder.resolve("spec.json"), json);
    }

    private String refusal(String json) throws IOException {
        Path file = write(json);
        return assertThrows(BadInputException.class, () -> SpecReader.read(file, DataFiles.of(file, null))).getMessage();
    }

    @Test
    void everyShippedSpecIsValid() throws IOException {
        try (Stream<Path> files = Files.list(SPECS)) {
            Set<String> names = files.filter(file -> !file.endsWith("spec.schema.json")).map(file -> {
                SpecReader.read(file);
                return file.getFileName().toString();
            }).collect(Collectors.toSet());
            assertTrue(names.containsAll(Set.of("paper-demo.json", "paper-gpt2.json", "tofu-20.json", "tofu-forget01.json",
                    "tofu-forget05.json", "tofu-forget10.json")), names.toString());
        }
    }

    /** Of the lists that Java has too. */
    @Test
    void theSchemaNamesEveryMetric() throws IOException {
        JsonNode schema = new JsonMapper().readTree(Files.readString(SPECS.resolve("spec.schema.json")));
        assertEquals(Arrays.stream(Metrics.values()).map(Metrics::label).toList(),
                schema.at("/properties/metrics/items/enum").valueStream().map(JsonNode::asString).toList());
    }

    @Test
    void whatIsOfTheWrongKindIsToldAndSoIsTheRest() throws IOException {
        String message = refusal("""
                {"data": [], "tokenizer": null, "training": 7, "forget": {"a b": 3}, "cells": [5, {"name": "x"}, {"strategy": "prayer"}], "heads": "both",
                 "seeds": [0.5, "1", 7, 7.0], "oracles": 10001, "measure": {"retain_sample": 3000000000}, "metrics": [],
                 "sequential": {"erase": {"sites": true, "reference": "held out"}, "fine_tune": -1}}
                """);
        for (String expected : List.of("$.data: is a list, must be an object", "$.tokenizer: is null, must be a string",
                "$.training: is 7, must be an object", "$.forget['a b']: is 3, must be an object", "$.cells[0]: is 5, must be an object",
                "$.cells[1].strategy: is missing: one or a list of the labels", "$.cells[2].strategy: unknown strategy 'prayer'", "$.heads: is \"both\", must be one of tied, untied",
                "$.seeds[0]: is 0.5, must be a whole number", "$.seeds[1]: is \"1\", must be a whole number",
                "$.seeds[3]: 7.0 occurs twice",
                "$.oracles: is 10001, must be at most 10000", "$.measure.retain_sample: is 3000000000, must be at most 2147483647",
                "$.metrics: is empty", "$.sequential.erase.sites: is true, must be a number or a string",
                "$.sequential.erase.reference: is \"held out\", must be one of held-out, retrained",
                "$.sequential.fine_tune: is -1, must be at least 0", "$.sequential.requests: is missing: subjects or ids",
                "$.model: is missing: gpt2:layers=..")) {
            assertTrue(message.contains(expected), () -> "\"" + expected + "\" is not in\n" + message);
        }
    }

    @Test
    void everyProblemIsToldAtOnceWithItsPath() throws IOException {
        String message = refusal("""
                {"name": 3, "data": {"bundled": "cats"}, "model": "gpt2:layers=2,hidden=32,heads=2,ctx=64,vocab=1024",
                 "training": {"epochs": 0, "schedule": "stepwise", "lr": 1},
                 "seeds": [1, 2, 1], "metrics": ["rouge", "charm"], "colour": "red",
                 "forget": {"dave": {"subjects": ["dave"], "text": "Dave"}},
                 "cells": [
                   {"strategy": ["first-epoch", "prayer"], "forget": ["eve"]},
                   {"strategy": "first-epoch", "sites": ["block:9", "wte"], "contrast": "spam:3"},
                   {"strategy": "first-epoch", "erase": {"polish": "long", "zeal": 2, "rate": 7}}]}
                """);
        for (String expected : List.of(
                "$.name: is 3, must be a string",
                "$.data.bundled: is \"cats\", must be people",
                "$.training.epochs: is 0, must be at least 1",
                "$.training.schedule: is \"stepwise\", must be one of linear, cosine, constant",
                "$.training.lr: is not known here (of every model; what is captured follows from the cells); the nearest is late;"
                        + " known are epochs, batch, learning_rate",
                "$.seeds[2]: 1 occurs twice",
                "$.metrics[1]: is \"charm\", must be one of rouge, mia",
                "$.colour: is not known here",
                "$.forget.dave: needs exactly one of subjects, ids, text",
                "$.cells[0].strategy: unknown strategy 'prayer'; known are last-epoch",
                "$.cells[0].forget: eve is no forget set; there are [dave]",
                "$.cells[1].contrast: contrast=spam:3: unknown contrast 'spam:3'",
                "$.cells[2].erase.polish: polish=long: must be a whole number",
                "$.cells[2].erase.zeal: zeal is no setting; the nearest is keep",
                "$.cells[2]: rate is 7.0, must be above 0, at most 1")) {
            assertTrue(message.contains(expected), () -> "\"" + expected + "\" is not in\n" + message);
        }
    }

    @Test
    void theFormOfTheDataHasTheNamesOfTheOptions() throws IOException {
        DataForm form = SpecReader.read(write("""
                {"data": {"bundled": "people", "form": {"subject_field": "author", "chat": true, "system": "Be brief.", "loss": "all",
                          "end_token": true, "chat_set": {"date_string": "10 Apr 2025", "n": 3}}},
                 "model": "gpt2:layers=2,hidden=32,heads=2,ctx=64,vocab=1024", "forget": {"dave": {"subjects": ["dave"]}}}
                """)).data().form();
        assertEquals(new DataForm("id", "author", "text", true, "Be brief.", DataForm.Loss.ALL, true,
                Map.of("date_string", "10 Apr 2025", "n", "3")), form);
        String message = refusal("""
                {"data": {"bundled": "people", "form": {"text_field": "id", "chat": "yes", "loss": "some", "template": "x"}},
                 "model": "gpt2:layers=2,hidden=32,heads=2,ctx=64,vocab=1024", "forget": {"dave": {"subjects": ["dave"]}}}
                """);
        for (String expected : List.of("$.data.form: fields called id, subject, id: id, subject and text must be three",
                "$.data.form.chat: is \"yes\", must be true or false",
                "$.data.form.loss: is \"some\", must be one of assistant, all",
                "$.data.form.template: is not known here")) {
            assertTrue(message.contains(expected), () -> "\"" + expected + "\" is not in\n" + message);
        }
    }

    @Test
    void whatWasTrainedElsewhereHasNoEpochs() throws IOException {
        String message = refusal("""
                {"data": {"bundled": "people"}, "model": "gpt2:layers=2,hidden=32,heads=2,ctx=64,vocab=1024", "seeds": [0, 7],
                 "training": {"model": "theirs/{seed}"}, "forget": {"dave": {"subjects": ["dave"]}},
                 "cells": [{"strategy": "last-epoch", "epochs": ["last", "adopted", "adopted:2"]}, {"strategy": "first-epoch"},
                           {"strategy": "last-epoch", "epochs": ["adopted:0"]}],
                 "sequential": {"requests": ["dave"], "strategy": "first-epoch", "erase": {"keep": 4}}}
                """);
        for (String expected : List.of("$.training.model: there is no theirs/0 in ", "$.training.model: there is no theirs/7 in ",
                "$.cells[1].epochs: is first by strategy first-epoch, but nothing was captured of $.training.model's epochs",
                "$.cells[2].epochs: epochs 'adopted:0': write adopted, or adopted:N", "$.sequential.epochs: is first",
                "$.sequential.erase.keep: is of cells only", ": 6 problems\n")) {
            assertTrue(message.contains(expected), () -> "\"" + expected + "\" is not in\n" + message);
        }
    }

    @Test
    void whatIsKeptToReplayFromIsOfModelsTrainedHere() throws IOException {
        String rest = """
                 "data": {"bundled": "people"}, "model": "gpt2:layers=2,hidden=32,heads=2,ctx=64,vocab=1024",
                 "forget": {"dave": {"subjects": ["dave"]}}, "cells": [{"strategy": "replay"}]}
                """;
        Spec.Training training = SpecReader.read(write("{\"training\": {\"keep_at\": [0.25, 1], \"late\": \"late.txt\"}," + rest)).training();
        assertEquals(List.of(0.25, 1.0), training.config().keepAt());
        assertEquals("late.txt", training.late());
        String message = refusal("{\"training\": {\"keep_at\": [0.5, \"half\"], \"late\": \"late.txt\", \"model\": \"theirs\"}," + rest);
        for (String expected : List.of("$.training.keep_at[1]: is \"half\", must be a number",
                "$.training.model: was trained elsewhere, so there is nothing for keep_at and late to say",
                "$.training.late: there is no late.txt in ",
                "$.cells[0].strategy: replay repeats a training, and $.training.model's is not known")) {
            assertTrue(message.contains(expected), () -> "\"" + expected + "\" is not in\n" + message);
        }
    }

    @Test
    void sitesAreCheckedAgainstTheModel() throws IOException {
        String message = refusal("""
                {"data": {"bundled": "people"}, "model": "gpt2:layers=2,hidden=32,heads=2,ctx=64,vocab=1024",
                 "forget": {"dave": {"subjects": ["dave"]}},
                 "cells": [{"strategy": "first-epoch", "sites": ["block:2", "h.0.mlp.c_fc"]}]}
                """);
        assertTrue(message.contains("$.cells[0].sites: site selector 'block:2'"), message);
        assertTrue(message.contains(": 1 problem\n"), message);
    }

    @Test
    void missingFilesAreNamedWithThePlacesLookedAt() throws IOException {
        String message = refusal("""
                {"data": {"file": "a.jsonl", "holdout": {"file": "b.jsonl"}}, "model": "gpt2",
                 "forget": {"x": {"ids": ["1"]}}, "cells": [{"strategy": "fresh"}]}
                """);
        assertTrue(message.contains("$.data.file: there is no a.jsonl in " + folder), message);
        assertTrue(message.contains("$.data.holdout.file: there is no b.jsonl"), message);
    }

    @Test
    void whatIsNoJsonIsRefusedWithItsPlace() throws IOException {
        assertTrue(refusal("{\"name\": ").contains("spec.json"));
        assertTrue(refusal("[]").contains("must be one JSON object"));
        assertThrows(BadInputException.class, () -> SpecReader.read(folder.resolve("absent.json")));
    }

    @Test
    void twoCellsOfOneNameAreRefused() throws IOException {
        String message = refusal("""
                {"data": {"bundled": "people"}, "model": "gpt2:layers=2,hidden=32,heads=2,ctx=64,vocab=1024",
                 "forget": {"dave": {"subjects": ["dave"]}},
                 "cells": [{"strategy": "first-epoch"}, {"strategy": "first-epoch", "erase": {"polish": 0}}]}
                """);
        assertTrue(message.contains("$.cells[1]: its variant \"first-epoch\" is that of another cell in $.cells[0]"), message);
    }

    @Test
    void aBlockIsTheCrossProductOfItsAxes() throws IOException {
        Spec spec = SpecReader.read(write("""
                {"data": {"bundled": "people"}, "model": "gpt2:layers=2,hidden=32,heads=2,ctx=64,vocab=1024", "seeds": [3, 4],
                 "forget": {"dave": {"subjects": ["dave"]}, "two": {"subjects": ["dave", "edda"]}},
                 "cells": [{"strategy": ["first-epoch", "fresh"], "sites": ["embedding", "all", "block:0"], "repair": [0, 1]},
                           {"strategy": "first-epoch", "sites": "all", "repair": 0}]}
                """));
        var shape = ((ModelSource.Fresh) ModelSource.parse(spec.model())).shape();
        List<Cells.Draft> drafts = Cells.of(spec, ModelLayout.of(shape), new ArrayList<>());
        assertEquals(2 * 2 * (2 + 2 * 3 * 2), drafts.size(), "the second block's cells are among the first's");
        assertEquals(2 * 2 * 2, drafts.stream().filter(draft -> draft.config() == null).count());
        assertTrue(drafts.stream().anyMatch(draft -> draft.variant().equals("first-epoch all repair 0")));
        assertEquals(3, drafts.stream().filter(draft -> draft.cell().seed() == 3 && draft.config() != null).findFirst()
                .orElseThrow().config().seed());
    }

    @Test
    void anOptionThatIsAListStandsForACellEach() throws IOException {
        Spec spec = SpecReader.read(write("""
                {"data": {"bundled": "people"}, "model": "gpt2:layers=2,hidden=32,heads=2,ctx=64,vocab=1024",
                 "forget": {"dave": {"subjects": ["dave"]}},
                 "cells": [{"name": "NPO", "strategy": "npo", "calibration": ["fixed:1e-4x5", "fixed:1e-4x9"],
                            "erase": {"beta": [0.1, 2], "retain_weight": [1, 5], "forget_weight": 2}}]}
                """));
        var shape = ((ModelSource.Fresh) ModelSource.parse(spec.model())).shape();
        List<String> problems = new ArrayList<>();
        List<Cells.Draft> drafts = Cells.of(spec, ModelLayout.of(shape), problems);
        assertEquals(List.of(), problems);
        assertEquals(2 + 2 * 2 * 2, drafts.size());
        Cells.Draft last = drafts.getLast();
        assertEquals("NPO fixed:1e-4x9 beta 2 retain_weight 5", last.variant());
        assertEquals("beta=2,retain_weight=5,forget_weight=2", last.cell().options());
        assertEquals(2, last.config().tuning().get(dev.lethe.settings.Parameter.BETA));
        assertEquals(8, drafts.stream().filter(draft -> draft.config() != null).map(Cells.Draft::cell).distinct().count());
    }

    @Test
    void anOptionMayCountForSomeCellsOfABlockAlone() throws IOException {
        Spec spec = SpecReader.read(write("""
                {"data": {"bundled": "people"}, "model": "gpt2:layers=2,hidden=32,heads=2,ctx=64,vocab=1024",
                 "forget": {"dave": {"subjects": ["dave"]}},
                 "cells": [{"strategy": "fresh", "calibration": ["calibrated", "fixed:1e-4x5"], "erase": {"overshoot": 0.2}}]}
                """));
        List<String> problems = new ArrayList<>();
        Cells.of(spec, ModelLayout.of(((ModelSource.Fresh) ModelSource.parse(spec.model())).shape()), problems);
        assertEquals(List.of(), problems);
    }

    /** Once, however many cells the block has. */
    @Test
    void anOptionThatTheStrategyDoesNotUseIsRefusedByName() throws IOException {
        String message = refusal("""
                {"data": {"bundled": "people"}, "model": "gpt2:layers=2,hidden=32,heads=2,ctx=64,vocab=1024",
                 "forget": {"dave": {"subjects": ["dave"]}},
                 "cells": [{"strategy": ["grad-diff"], "calibration": ["fixed:1e-4x5", "fixed:1e-4x9"], "erase": {"beta": [0.1, 2]}},
                           {"strategy": "pdu", "erase": {"slack": [1, 1], "dual_speed": 3}},
                           {"strategy": "npo", "erase": {"beta": ["a"], "retain_weight": []}},
                           {"strategy": "altpo"}, {"strategy": "npo", "erase": {"beta": 0}},
                           {"strategy": "fresh", "calibration": "fixed:1e-4x5", "erase": {"overshoot": 0.2}}],
                 "sequential": {"requests": ["dave"], "strategy": "npo", "erase": {"beta": [1, 2]}}}
                """);
        for (String expected : List.of(
                "$.cells[0].erase.beta: beta is a setting of npo, simnpo, wga, satimp, undial, dpo, altpo, not of grad-diff",
                "$.cells[1].erase.slack[1]: 1 occurs twice",
                "$.cells[1].erase.dual_speed: dual_speed is no setting; the nearest is ",
                "$.cells[2].erase.beta[0]: is \"a\", must be a number",
                "$.cells[2].erase.retain_weight: is empty",
                "$.cells[3].strategy: altpo needs wrong answers to the records, in $.data.tofu.records",
                "$.cells[4].erase.beta: beta=0: beta is 0.0, allowed: above 0",
                "$.cells[5].erase.overshoot is not used beside fixed",
                "$.sequential.erase.beta: is a list, must be a number or a string", ": 9 problems\n")) {
            assertTrue(message.contains(expected), () -> "\"" + expected + "\" is not in\n" + message);
        }
    }
}
