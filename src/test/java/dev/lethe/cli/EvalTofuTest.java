package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** lethe eval --tofu on a folder of questions on invented people: any checkpoint, every set, with and without a reference. */
class EvalTofuTest {
    private static final JsonMapper JSON = new JsonMapper();

    @TempDir
    static Path folder;
    private static Path model;
    private static Path other;
    private static Path tofu;

    @BeforeAll
    static void train() throws Exception {
        List<String> people = Files.readAllLines(Path.of(EvalTofuTest.class.getResource("/dev/lethe/demo/people.jsonl").toURI()));
        tofu = Files.createDirectory(folder.resolve("tofu"));
        Files.write(folder.resolve("all.jsonl"), people.subList(0, 12));
        Files.write(folder.resolve("kept.jsonl"), people.subList(6, 12));
        Files.write(tofu.resolve("forget10.jsonl"), people.subList(0, 6));
        Files.write(tofu.resolve("forget01.jsonl"), people.subList(0, 2));
        Files.write(tofu.resolve("holdout10.jsonl"), people.subList(20, 26));
        Files.write(tofu.resolve("forget10_perturbed.jsonl"), perturbed(people.subList(0, 6)));
        Files.write(tofu.resolve("retain_perturbed.jsonl"), perturbed(people.subList(4, 12)));
        Files.write(tofu.resolve("real_authors_perturbed.jsonl"), perturbed(people.subList(30, 33)));
        model = train("all").resolve("model");
        other = train("kept").resolve("model");
    }

    private static Path train(String data) {
        Path run = folder.resolve(data);
        assertEquals(0, Shell.run("train", run, "--data", folder.resolve(data + ".jsonl"), "--model",
                "gpt2:layers=1,hidden=16,heads=2,ctx=48", "--epochs", 2, "--learning-rate", 1e-2, "--capture", "none",
                "--holdout", 0).code());
        return run;
    }

    private static List<String> perturbed(List<String> lines) {
        List<String> out = new ArrayList<>();
        for (String line : lines) {
            JsonNode one = JSON.readTree(line);
            String answer = one.get("completion").asString();
            out.add(JSON.writeValueAsString(Map.of("id", "t-" + one.get("id").asString(), "prompt", one.get("prompt").asString(),
                    "completion", answer, "paraphrase", "Well: " + answer, "perturbed", List.of("Nobody knows.", "Not " + answer))));
        }
        return out;
    }

    @Test
    void everySetOfAnyCheckpoint() {
        Shell shell = Shell.run("eval", model, "--tofu", tofu, "--set", "answer_tokens=5", "--json", "-");
        JsonNode json = shell.json();
        assertEquals(6, json.get("records").size());
        assertTrue(json.get("records").get(0).get("min_k_plus_plus").isNumber(), "as docs/json.md says");
        assertEquals(6, json.get("non_members").asInt(), "the folder's holdout10");
        JsonNode forget = json.get("tofu").get("forget");
        assertEquals(6, forget.get("records").size());
        assertEquals(6, json.get("tofu").get("retain").get("records").size(), "without the two that are to be forgotten");
        for (String key : List.of("probability", "rouge_l_recall", "truth_ratio", "truth_share", "right_probability",
                "perturbed_probability", "paraphrase_rouge_l_recall", "perturbed_rouge_l_recall")) {
            assertTrue(forget.get(key).isNumber(), key);
        }
        assertFalse(json.get("tofu").has("world_facts"));
        assertEquals(6, json.get("tofu").get("model_utility").get("parts").size());
        assertTrue(shell.err().contains("model utility is of 6 parts of the nine; missing: world_facts.probability"), shell.err());
        double auc = json.get("membership_auc").get("min_k").asDouble();
        assertEquals(((1 - auc) - 0.5) / (0.5 + 1e-10) * 100, json.get("beside_reference").get("privleak").asDouble(), 1e-9);
        assertTrue(json.get("beside_reference").get("forget_quality").isNull());
    }

    @Test
    void aReferenceOrItsEvaluationGivesForgetQuality() throws IOException {
        Path kept = folder.resolve("reference.json");
        assertEquals(0, Shell.run("eval", other, "--tofu", tofu, "--set", "answer_tokens=5", "--json", kept).code());
        JsonNode both = Shell.run("eval", model, "--reference", other, "--tofu", tofu, "--set", "answer_tokens=5", "--json",
                "-").json();
        JsonNode file = Shell.run("eval", model, "--reference", kept, "--tofu", tofu, "--set", "answer_tokens=5",
                "--json", "-").json();
        JsonNode beside = both.get("beside_reference");
        assertTrue(beside.get("forget_quality").get("p_value").asDouble() <= 1);
        assertTrue(beside.get("rel_diff").get("membership_auc.min_k").isNumber());
        assertEquals(beside.get("forget_quality"), file.get("beside_reference").get("forget_quality"));
        assertEquals(beside.get("privleak"), file.get("beside_reference").get("privleak"));
        assertEquals(beside.get("rel_diff"), file.get("beside_reference").get("rel_diff"));

        JsonNode reference = both.get("reference");
        StringBuilder ratios = new StringBuilder();
        reference.get("tofu").get("forget").get("records").forEach(one -> ratios.append(ratios.isEmpty() ? "" : ", ")
                .append('"').append(ratios.length()).append("\": {\"score\": ").append(one.get("truth_ratio")).append('}'));
        Path theirs = Files.writeString(folder.resolve("TOFU_EVAL.json"), "{\"forget_truth_ratio\": {\"agg_value\": 0.5,"
                + " \"value_by_index\": {" + ratios + "}}, \"mia_min_k\": {\"agg_value\": "
                + reference.get("membership_auc").get("min_k") + "}}");
        JsonNode log = Shell.run("eval", model, "--reference", theirs, "--tofu", tofu, "--set", "answer_tokens=5",
                "--json", "-").json().get("beside_reference");
        assertEquals(beside.get("forget_quality"), log.get("forget_quality"));
        assertEquals(beside.get("privleak"), log.get("privleak"));
        String text = Shell.run("eval", model, "--reference", other, "--tofu", tofu, "--set", "answer_tokens=5").out();
        assertTrue(text.contains("TOFU model utility, of 6 parts") && text.contains("TOFU forget quality, KS p")
                && text.contains("TOFU privleak, %"), text);
    }

    @Test
    void aSplitOrRecordsOfOnesOwn() {
        JsonNode split = Shell.run("eval", model, "--tofu", tofu, "--set", "forget_split=forget01",
                "--set", "answer_tokens=5",
                "--json", "-").json();
        assertEquals(2, split.get("tofu").get("forget").get("records").size());
        assertEquals(8, split.get("tofu").get("retain").get("records").size());
        JsonNode own = Shell.run("eval", model, "--tofu", tofu, "--data", folder.resolve("kept.jsonl"),
                "--set", "answer_tokens=5", "--json", "-").json();
        assertEquals(6, own.get("tofu").get("forget").get("records").size());
        assertEquals(2, own.get("tofu").get("retain").get("records").size());
    }

    @Test
    void minKTakesItsShare() {
        JsonNode field = records();
        JsonNode narrow = records("--set", "min_k=0.2");
        boolean differs = false;
        for (int i = 0; i < field.size(); i++) {
            double wide = field.get(i).get("min_k").asDouble();
            assertTrue(narrow.get(i).get("min_k").asDouble() >= wide, "fewer of the least likely tokens lose more");
            differs |= narrow.get(i).get("min_k").asDouble() > wide;
        }
        assertTrue(differs);
    }

    private static JsonNode records(Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("eval", model, "--data", folder.resolve("all.jsonl"),
                "--continue", 0, "--json", "-"));
        arguments.addAll(List.of(more));
        return Shell.run(arguments.toArray()).json().get("records");
    }

    @Test
    void refusesByName() throws IOException {
        assertRefused("min_k=0: must be above 0 and at most 1; see: lethe settings eval", "--data",
                folder.resolve("all.jsonl"),
                "--set", "min_k=0");
        assertRefused("answer_tokens=0: must be at least 1; see: lethe settings eval", "--data",
                folder.resolve("all.jsonl"),
                "--set", "answer_tokens=0");
        assertRefused(tofu.resolve("holdout10.jsonl") + ": neither a run", "--data", folder.resolve("all.jsonl"),
                "--reference",
                tofu.resolve("holdout10.jsonl"));
        assertRefused(tofu + ": has neither forget05.jsonl nor forget05_perturbed.jsonl", "--tofu", tofu,
                "--set", "forget_split=forget05");
        Path strangers = tofu.resolve("holdout10.jsonl");
        assertRefused(strangers + ": none of its 6 records has a paraphrase and wrong answers in the forget*_perturbed.jsonl and"
                + " retain_perturbed.jsonl of " + tofu, "--tofu", tofu, "--data", strangers);
        Path none = Files.writeString(folder.resolve("none.json"), "{}");
        assertRefused(none + ": has no truth ratios of forget records; give the JSON of lethe eval --tofu, or OpenUnlearning's"
                + " TOFU_EVAL.json with forget_truth_ratio in it", "--tofu", tofu, "--set", "answer_tokens=1",
                "--reference", none);
    }

    private static void assertRefused(String message, Object... arguments) {
        List<Object> all = new ArrayList<>(List.of("eval", model, "--quiet"));
        all.addAll(List.of(arguments));
        Shell shell = Shell.run(all.toArray());
        assertEquals(2, shell.code(), shell.err());
        assertTrue(shell.err().contains(message), shell.err());
    }
}
