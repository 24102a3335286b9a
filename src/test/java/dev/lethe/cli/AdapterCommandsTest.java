package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Batch;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.ModelSettings;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.testing.Families;
import dev.lethe.testing.MemoryFolder;
import dev.lethe.testing.Python;
import dev.lethe.train.TinyData;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Every command with an adapter: its base has learned of each person what is true of another, the adapter what is true of five. */
@ExtendWith(NoLeaks.class)
@ParameterizedClass(name = "{0}")
@ValueSource(strings = {"llama", "gpt2", "pythia"})
class AdapterCommandsTest {
    private static final String SUBJECT = "person7";
    private static final Pattern NAMED = Pattern.compile("person(\\d)");

    private static MemoryFolder folder;
    private static Path own;
    private static Path base;
    private static Path data;
    private static Path run;

    @Parameter(0)
    String name;

    @BeforeParameterizedClassInvocation
    static void train(String name) throws IOException {
        folder = new MemoryFolder();
        own = folder.path();
        TinyData tiny = new TinyData(own, 10);
        int vocabulary = Math.toIntExact(tiny.shape().vocabulary());
        ModelShape shape = name.equals("gpt2") ? new ModelShape(vocabulary, 20, 16, 2, 2, 32, 1e-5, true)
                : Families.of(name, vocabulary, 20);
        Path fresh = own.resolve("fresh");
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(shape, Dtype.F32)) {
            model.initialize(1);
            Checkpoint.save(model, ModelSettings.of(shape, 1), fresh, tiny.tokenizer);
        }
        Path known = Files.write(own.resolve("known.jsonl"), Files.readAllLines(tiny.file).stream().map(line -> NAMED.matcher(line)
                .replaceAll(one -> "person" + (Integer.parseInt(one.group(1)) + 5) % 10)).toList());
        data = people(tiny.file, own.resolve("data.jsonl"), "person[5-9]-.*");
        done("train", own.resolve("before"), "--model", fresh, "--data", known, "--epochs", 80, "--learning-rate", 1e-2,
                "--capture", "none", "--holdout", 0, "--batch",
                5, "--quiet");
        base = own.resolve("base");
        Files.move(own.resolve("before/model"), base);
        run = own.resolve("run");
        done("train", run, "--model", base, "--lora", "r=4,alpha=8,targets=all", "--data", data, "--epochs", 60,
                "--learning-rate", 1e-2,
                "--holdout", 0, "--batch", 5, "--quiet");
    }

    private static Path people(Path from, Path to, String ids) throws IOException {
        return Files.write(to, Files.readAllLines(from).stream().filter(line -> line.matches("\\{\"id\":\"" + ids)).toList());
    }

    @AfterParameterizedClassInvocation
    static void remove() {
        folder.close();
    }

    @AfterEach
    void forget() {
        Checkpoint.baseIn(null);
    }

    private static Shell done(Object... arguments) {
        Shell shell = Shell.run(arguments);
        assertEquals(0, shell.code(), () -> Arrays.toString(arguments) + ": " + shell.err());
        return shell;
    }

    private static JsonNode json(Object... arguments) {
        return done(Stream.concat(Arrays.stream(arguments), Stream.of("--json", "-")).toArray()).json();
    }

    private static String refused(Object... arguments) {
        Shell shell = Shell.run(arguments);
        assertEquals(2, shell.code(), () -> Arrays.toString(arguments) + ": " + shell.err());
        return shell.err();
    }

    private static double loss(Path model, Path records) {
        return json("eval", model, "--data", records, "--continue", 0).get("mean_loss").asDouble();
    }

    private static Path copy(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(from.relativize(file).toString()));
            }
        }
        return to;
    }

    @Test
    void aRunHoldsTheAdapterAlone() throws IOException {
        try (Stream<Path> files = Files.list(run.resolve("model"))) {
            assertEquals("adapter_config.json adapter_model.safetensors tokenizer.json",
                    files.map(file -> file.getFileName().toString()).sorted().collect(Collectors.joining(" ")));
        }
        JsonNode source = new JsonMapper().readTree(run.resolve("lethe.json")).get("source");
        assertEquals(base.toString(), source.get("base").get("folder").asString());
        assertEquals(Checkpoint.hash(base), source.get("base").get("sha256").asString());
        assertEquals("r=4,alpha=8,targets=all", source.get("base").get("lora").asString());
        JsonNode inspected = json("inspect", run);
        assertTrue(inspected.get("whole").asBoolean(), inspected.toString());
        int adapters = inspected.get("model").get("shape").get("adapters").size();
        assertEquals(name.equals("llama") ? 14 : 8, adapters);
        JsonNode ledger = inspected.get("ledger");
        assertEquals(15, ledger.get("entries").asInt(), ledger.toString());
        assertEquals(2 * adapters, ledger.get("sites").size(), ledger.toString());
        assertTrue(loss(run, data) < 0.5 * loss(base, data), "it has learned");
        assertEquals(loss(run, data), loss(run.resolve("model"), data), "as a bare folder");
    }

    @Test
    void erasesToWhatTheBaseKnows() throws IOException {
        Path source = copy(run, own.resolve("source"));
        Path erased = own.resolve("erased");
        Shell shell = done("erase", source, "--subject", SUBJECT, "--out", erased, "--set", "retain_guard=1",
                "--set", "repair_budget=1",
                "--set", "held_out_guard=1e9", "--set", "ignore_guards");
        assertTrue(shell.err().contains("erase: of an adapter, at all its sites"), shell.err());
        Path gone = people(data, own.resolve("gone.jsonl"), SUBJECT + "-.*");
        Path kept = people(data, own.resolve("kept.jsonl"), "person[5689]-.*");
        JsonNode account = new JsonMapper().readTree(erased.resolve("journal/erasure.json"));
        assertEquals(loss(base, gone), account.get("target").asDouble(), 1e-4);
        assertTrue(loss(erased, gone) > 0.9 * loss(base, gone), loss(erased, gone) + " of " + loss(base, gone));
        assertTrue(loss(erased, kept) < 0.6 * loss(base, kept), loss(erased, kept) + " of " + loss(base, kept));
        for (Path whole : List.of(source, erased, erased.resolve("model"))) {
            done("inspect", whole);
        }
        done("compact", source);
        done("report", erased, "--reference", base);
        assertTrue(Files.readString(erased.resolve("report/report.html")).contains("modules adapted by rank 4"));
        JsonNode config = new JsonMapper().readTree(erased.resolve("model/adapter_config.json"));
        assertEquals(base.toString(), config.get("base_model_name_or_path").asString());
    }

    @Test
    void otherStrategiesAndScores() throws IOException {
        for (String strategy : List.of("kl", "gauss-newton", "npo", "retrain")) {
            Path from = copy(run, own.resolve(strategy + "-source"));
            JsonNode erasure = json("erase", from, "--subject", SUBJECT, "--out", own.resolve(strategy),
                    "--set", "ignore_guards",
                    "--set", "relearn_steps=0", "--strategy", strategy);
            assertTrue(erasure.get("after").get("forget").asDouble() > erasure.get("before").get("forget").asDouble() + 0.1, strategy);
        }
        for (String method : List.of("cosine", "ekfac", "hvp")) {
            JsonNode scores = json("score", run, "--ids", SUBJECT + "-home", "--method", method, "--top", 0).get("records");
            assertEquals(15, scores.size(), method);
            scores.forEach(score -> assertTrue(Double.isFinite(score.get("score").asDouble()), method + score));
        }
        String rows = refused("erase", run, "--subject", SUBJECT, "--strategy", "gauss-newton", "--set", "ledger_curvature=1", "--shard", "1/2",
                "--out", own.resolve("never"));
        assertTrue(rows.contains("the ledger keeps records longer than an adapter's rank, 4, by their gradients, and curvature needs a row a"
                + " token: set ledger_curvature to 0"), rows);
        String message = refused("erase", run, "--subject", SUBJECT, "--set", "sites=embedding", "--out",
                own.resolve("never"));
        assertTrue(message.contains("'embedding' is of the frozen base ("), message);
        message = refused("train", own.resolve("never"), "--model", base, "--lora", "r=2", "--sites", "head", "--data",
                data);
        assertTrue(message.contains("'head' is of the frozen base ("), message);
        assertFalse(Files.exists(own.resolve("never")));
    }

    @Test
    void adoptsWhatWasTrainedElsewhere() throws IOException {
        Path adapter = run.resolve("model");
        Path first = own.resolve("adopted"), second = own.resolve("adopted-again");
        JsonNode adopted = json("adopt", first, "--model", adapter, "--base", base, "--data", data, "--rate-trained", 1e-2);
        assertEquals(loss(base, data), adopted.get("adopted").get("base_loss").asDouble(), 1e-4);
        assertEquals(base.toString(), adopted.get("adopted").get("base").asString());
        done("adopt", second, "--model", adapter, "--data", data, "--rate-trained", 1e-2, "--quiet");
        for (String file : List.of("ledger/segment-000000.ledger", "records.jsonl")) {
            assertEquals(-1, Files.mismatch(first.resolve(file), second.resolve(file)), file);
        }
        JsonNode erasure = json("erase", first, "--subject", SUBJECT, "--out", own.resolve("adopted-erased"),
                "--set", "ignore_guards");
        assertTrue(erasure.get("after").get("forget").asDouble() > erasure.get("before").get("forget").asDouble() + 0.5);
    }

    @Test
    void anAdapterIsTrainedOn() throws IOException {
        Path more = own.resolve("more");
        done("train", more, "--model", run.resolve("model"), "--data", data, "--set", "max_steps=3", "--holdout", 0,
                "--quiet");
        assertTrue(loss(more, data) < loss(base, data));
        assertNotEquals(Checkpoint.hash(run.resolve("model")), Checkpoint.hash(more.resolve("model")));
        done("train", more, "--resume", "--quiet");
        for (Object[] wrong : new Object[][] {{"--lora", "r=2"}, {"--lora", "r=2", "--model", "gpt2:layers=1"},
            {"--model", own.resolve("nowhere")}, {"--lora", "r=2,dropout=0.1", "--model", base}, {"--lora", "r=2",
            "--model", run.resolve("model")},
            {"--lora", "r=2,targets=c_none", "--model", base}}) {
            refused(Stream.concat(Stream.of("train", own.resolve("never"), "--data", data),
                    Arrays.stream(wrong)).toArray());
            assertFalse(Files.exists(own.resolve("never")));
        }
    }

    @Test
    void aBaseMayMove() throws IOException {
        Path copied = copy(run, own.resolve("moved-run"));
        Path moved = own.resolve("moved");
        Path config = copied.resolve("model/adapter_config.json");
        Files.writeString(config, Files.readString(config).replace(base.toString(), own.resolve("away").toString()));
        String message = refused("eval", copied, "--data", data);
        assertTrue(message.contains("its base \"" + own.resolve("away") + "\" is no model folder here; say where it lies"),
                message);
        copy(base, moved);
        assertEquals(loss(run, data), json("eval", copied, "--data", data, "--set", "base=" + moved, "--continue",
                0).get("mean_loss")
                .asDouble());
        done("erase", copied, "--set", "base=" + moved, "--subject", SUBJECT, "--out", own.resolve("moved-erased"),
                "--set", "ignore_guards",
                "--quiet");
        assertTrue(Files.readString(own.resolve("moved-erased/model/adapter_config.json")).contains(moved.toString()));
        message = refused("eval", copied, "--data", data, "--set", "base=" + own.resolve("fresh"));
        assertTrue(message.contains("is of a base with SHA-256 "), message);
    }

    @Test
    void mergesAndIsReadByPeft() throws IOException {
        Path merged = own.resolve("merged");
        JsonNode result = json("merge", run, "--out", merged);
        assertEquals(Checkpoint.hash(merged), result.get("sha256").asString());
        assertEquals(loss(run, data), loss(merged, data), 1e-4);
        assertTrue(refused("merge", run, "--out", merged).contains(": is not empty; name a new folder"));
        assertTrue(refused("merge", base, "--out", own.resolve("never")).contains(base + ": "));
        done("merge", run.resolve("model"), "--out", own.resolve("narrow"), "--dtype", "bf16");
        assertEquals(loss(run, data), loss(own.resolve("narrow"), data), 0.05);

        Python.assume("torch", "transformers", "peft");
        Path adapter = copy(run.resolve("model"), own.resolve("adapter"));
        Python.script("peft_logits.py", "1,2,3,4,5", adapter, merged);
        for (Path made : List.of(adapter, merged)) {
            ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(Path.of(made + "-logits"))).order(ByteOrder.LITTLE_ENDIAN);
            double[] expected = new double[bytes.remaining() / Double.BYTES];
            bytes.asDoubleBuffer().get(expected);
            try (Engine engine = Engine.cpu(); LanguageModel model = Checkpoint.load(engine, made, Dtype.F32)) {
                int[] ids = {1, 2, 3, 4, 5};
                assertArrayEquals(expected, model.logits(Batch.of(List.of(ids), List.of(ids))), 1e-4);
            }
        }
        Path again = Path.of(adapter + "-again");
        assertEquals(loss(adapter, data), loss(again, data), "peft's own file of it, with the base by the same name");
    }
}
