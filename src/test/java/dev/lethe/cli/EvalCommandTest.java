package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.eval.PrivacyLeak;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** lethe eval's benchmark metrics: TOFU's sets, a retrained model, the attacks that need more than a forward pass. */
class EvalCommandTest {
    @TempDir
    static Path folder;
    private static Path forgotten;
    private static Path strangers;
    private static Path questions;
    private static Path run;
    private static Path retrained;

    @BeforeAll
    static void train() throws Exception {
        List<String> people = Files.readAllLines(
                Path.of(EvalCommandTest.class.getResource("/dev/lethe/demo/people.jsonl").toURI()));
        Path all = Files.write(folder.resolve("all.jsonl"), people.subList(0, 20));
        Path kept = Files.write(folder.resolve("kept.jsonl"), people.subList(6, 20));
        forgotten = Files.write(folder.resolve("forgotten.jsonl"), people.subList(0, 6));
        strangers = Files.write(folder.resolve("strangers.jsonl"), people.subList(40, 48));
        questions = Files.write(folder.resolve("questions.jsonl"),
                people.subList(0, 6).stream().map(EvalCommandTest::question).toList());
        run = train(all, "run");
        retrained = train(kept, "retrained");
    }

    private static String question(String line) {
        ObjectNode record = (ObjectNode) new JsonMapper().readTree(line);
        record.put("paraphrase", "Well: " + record.get("completion").asString());
        record.putArray("perturbed").add("No one knows that.").add("It was long ago.");
        return record.toString();
    }

    private static Path train(Path data, String name) {
        Path out = folder.resolve(name);
        Shell shell = Shell.run("train", "--data", data, "--init", "gpt2:layers=1,hidden=16,heads=2,ctx=64", "--epochs", 2,
                "--lr", 1e-2, "--holdout", 0, "--capture", "none", "--out", out);
        assertEquals(0, shell.code(), shell.err());
        return out;
    }

    @Test
    void measuresTofuAgainstARetrainedModel() {
        Shell shell = Shell.run("eval", "--run", run, "--data", forgotten, "--non-members", strangers, "--continue", 0,
                "--forget-perturbed", questions, "--retain-perturbed", questions, "--world-facts", questions, "--retrained",
                retrained, "--gradient-norm", "--json", "-");
        assertEquals(0, shell.code(), shell.err());
        JsonNode json = shell.json();
        JsonNode forget = json.get("tofu").get("forget");
        assertEquals("forget", forget.get("set").asString());
        assertEquals(6, forget.get("records").size());
        for (int i = 0; i < 6; i++) { // the same answers, once as records and once as questions
            JsonNode record = forget.get("records").get(i);
            assertEquals(json.get("records").get(i).get("loss").asDouble(), record.get("loss").asDouble(), 1e-5);
            assertEquals(Math.exp(-record.get("loss").asDouble()), record.get("probability").asDouble(), 1e-9);
            assertEquals(2, record.get("perturbed_losses").size());
        }
        assertTrue(json.get("tofu").get("real_authors").isNull());
        JsonNode utility = json.get("tofu").get("utility");
        assertEquals(6, utility.get("parts").size());
        assertEquals(3, utility.get("missing").size());
        JsonNode other = json.get("retrained");
        assertTrue(other.get("forget_quality").get("p_value").asDouble() > 0);
        assertEquals(other.get("membership_auc").size(), other.get("privacy_leak").size());
        assertEquals(PrivacyLeak.percent(json.get("membership_auc").get("loss").asDouble(),
                other.get("membership_auc").get("loss").asDouble()), other.get("privacy_leak").get("loss").asDouble(), 1e-9);
        assertEquals(List.of("gradient_norm", "reference"),
                json.get("attacks").valueStream().map(attack -> attack.get("attack").asString()).toList());
        assertEquals(6, json.get("attacks").get(1).get("members").size());
        assertEquals(8, json.get("attacks").get(1).get("non_members").size());
        assertTrue(json.get("membership_auc").has("reference"));
    }

    @Test
    void printsThemForAPersonBesideAReference() {
        Shell shell = Shell.run("eval", "--run", run, "--data", forgotten, "--continue", 0, "--forget-perturbed", questions,
                "--retain-perturbed", questions, "--retrained", retrained, "--reference", run.resolve("model"));
        assertEquals(0, shell.code(), shell.err());
        assertTrue(shell.out().matches("(?s).*\nforget, truth ratio +([0-9.]+) +\\1\n.*"), shell.out());
        assertTrue(shell.out().contains("\nmodel utility, of 3 parts in 9"), shell.out());
        assertTrue(shell.out().contains("\nforget quality, p "), shell.out());
        assertFalse(shell.out().contains("privacy leak"), "there are no non-members");
    }

    @Test
    void refusesWhatItCannotMeasureBeforeItMeasures() {
        assertRefused("--retrained has nothing to compare: add --forget-perturbed FILE for forget quality, or --non-members"
                + " FILE for privacy leak and the reference attack", "--retrained", retrained);
        assertRefused("--gradient-norm needs records never trained on; name them with --non-members FILE", "--gradient-norm");
        assertRefused(forgotten + ":1: no \"paraphrase\": the truth ratio of learned records needs the answer in other words\n"
                + forgotten + ":1: no \"perturbed\": give a list of wrong answers", "--forget-perturbed", forgotten);
        assertRefused(folder.resolve("none.jsonl") + ": no such file", "--world-facts", folder.resolve("none.jsonl"));
    }

    private static void assertRefused(String message, Object... options) {
        Object[] all = new Object[options.length + 5];
        System.arraycopy(new Object[] {"eval", "--run", run, "--data", forgotten}, 0, all, 0, 5);
        System.arraycopy(options, 0, all, 5, options.length);
        Shell shell = Shell.run(all);
        assertEquals(2, shell.code(), shell.err());
        assertTrue(shell.err().startsWith("lethe: " + message), shell.err());
    }
}
