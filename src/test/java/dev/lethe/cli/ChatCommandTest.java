package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Batch;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.ModelSettings;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.io.InputStream;
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

/** Conversations through the commands: trained, adopted, found, erased and measured on a model with a chat template. */
class ChatCommandTest {
    private static final JsonMapper JSON = new JsonMapper();
    private static final List<String> NAMES = List.of("Zoe", "Yan", "Xia", "Wim", "Vera", "Ugo", "Tess", "Sven", "Rita", "Quin",
            "Pia", "Otto");

    @TempDir
    static Path folder;
    private static Path model;
    private static Path questions;
    private static Path run;

    @BeforeAll
    static void train() throws IOException {
        model = Files.createDirectory(folder.resolve("model"));
        for (String name : List.of("tokenizer.json", "llama3.jinja")) {
            Files.write(model.resolve(name.replace("llama3.jinja", "chat_template.jinja")), resource(name));
        }
        Files.writeString(model.resolve("tokenizer_config.json"), "{\"bos_token\": \"<|begin_of_text|>\", \"eos_token\": \"<|eot_id|>\"}");
        ModelShape shape = new ModelShape(420, 128, 16, 2, 1, 64, 1e-5, true);
        Path tokenizer = Files.createDirectory(folder.resolve("tokenizer"));
        for (String name : List.of("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")) {
            Files.copy(model.resolve(name), tokenizer.resolve(name));
        }
        try (Engine engine = Engine.cpu(); LanguageModel fresh = engine.model(shape, Dtype.F32)) {
            fresh.initialize(1);
            Checkpoint.save(fresh, ModelSettings.of(shape, 4), model, tokenizer);
        }
        List<String> lines = new ArrayList<>();
        for (String name : NAMES) {
            for (String what : List.of("live", "work")) {
                lines.add(JSON.writeValueAsString(Map.of("author", name, "question", "Where does " + name + " " + what + "?",
                        "answer", name + " " + what + "s in a house of " + name.hashCode() % 97 + " doors.")));
            }
        }
        questions = Files.write(folder.resolve("qa.jsonl"), lines);
        run = folder.resolve("run");
        Shell trained = Shell.run("train", run, "--model", model, "--data", questions, "--set", "chat",
                "--set", "system=You are a helpful assistant.",
                "--set", "subject_field=author", "--epochs", 4, "--learning-rate", 1e-2, "--holdout", 0.1, "--json", "-");
        assertEquals(0, trained.code(), trained.err());
        assertEquals(22, trained.json().get("records").asInt());
    }

    @Test
    void theRunKnowsHowItsDataIsRead() throws IOException {
        JsonNode form = JSON.readTree(Files.readString(run.resolve("lethe.json"))).get("data").get("form");
        assertEquals("author", form.get("subject_field").asString());
        assertTrue(form.get("chat").asBoolean());
        assertEquals("assistant", form.get("loss").asString().toLowerCase());
        assertTrue(Files.exists(run.resolve("model/chat_template.jinja")));
        Shell found = Shell.run("find", run, "--text", "Where does Zoe live?", "--json", "-");
        Shell system = Shell.run("find", run, "--text", "You are a helpful assistant.", "--json", "-");
        assertEquals(0, system.json().get("matches").size(), system.out());
        Shell moved = Shell.run("find", run, "--data", questions, "--text", "Where does Zoe live?", "--json", "-");
        assertEquals(found.out(), moved.out());
    }

    @Test
    void anEvaluationMeasuresTheAnswerAlone() {
        Shell eval = Shell.run("eval", run, "--json", "-");
        assertEquals(0, eval.code(), eval.err());
        JsonNode first = eval.json().get("rouge").get("continuations").get(0);
        assertTrue(first.get("prompt").asString().endsWith("?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"),
                first.toString());
        assertTrue(first.get("reference").asString().endsWith("doors."), first.toString());
        Shell bare = Shell.run("eval", run.resolve("model"), "--data", questions, "--set", "chat",
                "--set", "system=You are a helpful assistant.", "--json", "-");
        assertEquals(0, bare.code(), bare.err());
        Shell other = Shell.run("eval", run, "--data", questions, "--json", "-");
        assertEquals(bare.json().get("loss"), other.json().get("loss"));
    }

    @Test
    void aPersonIsErasedFromConversations() throws IOException {
        String person = JSON.readTree(Shell.run("find", run, "--text", "Where does", "--json", "-").out())
                .get("matches").get(0).get("record_id").asString();
        Shell erased = Shell.run("erase", run, "--ids", person, "--out", folder.resolve("erased"), "--reference", 4,
                "--set", "ignore_guards", "--copies", "keep", "--json", "-");
        assertEquals(0, erased.code(), erased.err());
        assertEquals(1, erased.json().get("records").asInt());
        assertFalse(Files.readString(folder.resolve("erased/records.jsonl")).contains("\"" + person + "\""));
        assertTrue(Files.readString(folder.resolve("erased/lethe.json")).contains("\"chat\" : true"));
        assertEquals(0, Shell.run("report", folder.resolve("erased")).code());
        Shell scored = Shell.run("score", run, "--prompt", "Where does Zoe live?", "--text", "In a house.", "--json", "-");
        assertEquals(0, scored.code(), scored.err());
    }

    @Test
    void messagesAreAdoptedWithTheirText() throws IOException {
        List<String> lines = new ArrayList<>();
        for (String name : NAMES) {
            lines.add("{\"subject\": \"" + name + "\", \"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\","
                    + " \"content\": \"I am " + name + "\"}, {\"role\": \"user\", \"content\": \"And?\"}, {\"role\": \"assistant\","
                    + " \"content\": \"" + name + " is all.\"}]}");
        }
        Path data = Files.write(folder.resolve("chat.jsonl"), lines);
        Path adopted = folder.resolve("adopted");
        Shell shell = Shell.run("adopt", adopted, "--model", model, "--data", data, "--set", "keep_text",
                "--rate-trained", 1e-3,
                "--set", "loss=all", "--json", "-");
        assertEquals(0, shell.code(), shell.err());
        Files.delete(data);
        Shell found = Shell.run("find", adopted, "--text", "I am Zoe", "--json", "-");
        assertEquals("chat-1", found.json().get("matches").get(0).get("record_id").asString(), found.err());
        assertEquals(0, Shell.run("eval", adopted).code());
    }

    /** Two answers: the loss is that of either alone, weighed by its tokens. */
    @Test
    void stretchesOfTargetsAddUp() {
        int ignore = Batch.IGNORE;
        int[] tokens = {1, 20, 30, 40, 50, 60, 70};
        int[] first = {ignore, 30, 40, ignore, ignore, ignore, ignore};
        int[] second = {ignore, ignore, ignore, ignore, 60, 70, 4};
        int[] both = {ignore, 30, 40, ignore, 60, 70, 4};
        try (Engine engine = Engine.cpu(); LanguageModel opened = Checkpoint.load(engine, model, Dtype.F64)) {
            double[] losses = opened.losses(Batch.of(List.of(tokens, tokens, tokens), List.of(first, second, both)));
            assertEquals((2 * losses[0] + 3 * losses[1]) / 5, losses[2], 1e-12);
        }
    }

    @Test
    void whatCannotBeIsRefusedByName() throws IOException {
        Path out = folder.resolve("never");
        Path bare = Files.createDirectory(folder.resolve("bare"));
        for (String name : List.of("tokenizer.json", "config.json", "model.safetensors")) {
            Files.copy(model.resolve(name), bare.resolve(name));
        }
        assertRefused("bare: has no chat template", "train", out, "--model", bare, "--data", questions, "--set", "chat");
        Files.write(bare.resolve("chat_template.jinja"), resource("mistral.jinja"));
        assertRefused(": the chat template refuses it: Conversation roles must alternate", "train", out, "--model", bare,
                "--data", questions, "--set", "chat", "--set", "system=x");
        Files.writeString(bare.resolve("chat_template.jinja"), "{% include 'x' %}");
        assertRefused(": " + bare.resolve("chat_template.jinja") + ": needs include", "train", out, "--model", bare,
                "--data",
                questions, "--set", "chat");
        assertRefused("GPT-2's own tokenizer has no chat template", "train", out, "--model",
                "gpt2:layers=1,hidden=16,heads=2,ctx=48",
                "--data", questions, "--set", "chat");
        assertRefused("no record has a field \"person\"", "train", out, "--model", model, "--data", questions,
                "--set", "subject_field=person");
        assertRefused("not read as it was for run", "find", run, "--data", questions, "--set", "loss=all", "--text", "x");
        assertFalse(Files.exists(out));
    }

    private static void assertRefused(String what, Object... arguments) {
        Shell shell = Shell.run(arguments);
        assertEquals(2, shell.code(), shell.err());
        assertTrue(shell.err().contains(what), shell.err());
    }

    private static byte[] resource(String name) throws IOException {
        try (InputStream in = ChatCommandTest.class.getResourceAsStream("/golden/chat/" + name)) {
            return in.readAllBytes();
        }
    }
}
