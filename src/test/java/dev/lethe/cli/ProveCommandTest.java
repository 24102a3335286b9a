package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.PrivateFilesTest;
import dev.lethe.data.Dataset;
import dev.lethe.engine.Engine;
import dev.lethe.results.TrainListener;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.ModelShape;
import dev.lethe.testing.Grep;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** prove on a tiny run: what it writes and gives away, how it goes on, what the certificate makes of it, and what it refuses. */
class ProveCommandTest {
    private static final Path TOKENIZER = Path.of(System.getProperty("lethe.root", "."),
            "src/main/resources/dev/lethe/demo/tokenizer");

    @TempDir
    static Path folder;
    private static Path run;
    private static Path erased;
    private static Path retrained;
    private static Path people;

    @BeforeAll
    static void erase() throws Exception {
        List<String> lines = Files.readAllLines(Path.of(ProveCommandTest.class.getResource("/dev/lethe/demo/people.jsonl").toURI()));
        String twice = lines.getFirst().replaceFirst("\"id\": *\"", "$0again-"); // asked for once all the same
        people = Files.write(folder.resolve("people.jsonl"), Stream.concat(lines.subList(0, 30).stream(), Stream.of(twice)).toList());
        Path others = Files.write(folder.resolve("others.jsonl"), lines.subList(10, 30));
        Path heldOut = Files.write(folder.resolve("held-out.jsonl"), lines.subList(30, 40));
        run = train("run", people, heldOut);
        retrained = train("retrained", others, heldOut);
        erased = folder.resolve("erased");
        assertEquals(0, Shell.run("erase", run, "--quiet", "--subject", "dave", "--out", erased, "--reference", 1, "--set", "retain_guard=100",
                "--set", "held_out_guard=100", "--set", "relearn_steps=0").code());
    }

    private static Path train(String name, Path data, Path heldOut) {
        Path out = folder.resolve(name);
        TrainConfig config = TrainConfig.builder().epochs(2).batchSize(8).learningRate(5e-3).holdoutData(heldOut).build();
        try (Engine engine = Engine.cpu()) {
            Trainer.train(engine, new ModelSource.Fresh(new ModelShape(1024, 48, 16, 2, 1, 64, 1e-5, true), TOKENIZER),
                    Dataset.read(data), out, config, TrainListener.silent());
        }
        return out;
    }

    private static Map<Path, Object> times(Path parts) throws IOException {
        Map<Path, Object> times = new TreeMap<>();
        try (Stream<Path> files = Files.list(parts)) {
            for (Path file : files.toList()) {
                times.put(file, List.of(Files.getLastModifiedTime(file), Files.readAttributes(file, "unix:ino")));
            }
        }
        return times;
    }

    @Test
    void provesGoesOnAndIsCertified() throws IOException {
        Path keys = folder.resolve("mine/keys.p12");
        Path password = folder.resolve("password");
        assertEquals(0, Shell.run("keys", "new", keys, "--password-file", password).code());
        Object[] certify = {"certify", erased, "--key", keys, "--password-file", password, "--request-id"};
        assertEquals(0, Shell.run(Stream.concat(Stream.of(certify), Stream.of("2026-17")).toArray()).code());
        for (int i = 2; i >= 1; i--) {
            Shell shard = Shell.run("prove", erased, "--shard", i + "/2", "--quiet", "--json", "-");
            assertEquals(6, shard.json().get("parts").asInt(), shard.err());
        }
        Map<Path, Object> parts = times(erased.resolve("proof/parts"));
        Shell first = Shell.run("prove", erased, "--quiet", "--json", "-");
        assertEquals(0, first.code(), first.err());
        assertEquals(parts, times(erased.resolve("proof/parts")), "the shards' parts are joined, and not made again");
        JsonNode proof = first.json().get("proof");
        assertEquals(List.of("membership", "regurgitation", "other-wording", "relearning", "rounding", "distance"),
                proof.get("findings").valueStream().map(one -> one.get("attack").asString()).toList());
        assertEquals("UNDECIDED", proof.at("/findings/0/outcome").asString());
        assertEquals("No verdict with 10 records never seen: 100 are needed, 90 more, so that a false alarm in a hundred can be seen.",
                proof.at("/findings/0/sentence").asString());
        assertEquals(11, new JsonMapper().readTree(erased.resolve("journal/erasure.json").toFile()).get("records").size());
        assertEquals(10, proof.get("erased").asInt());
        assertEquals(List.of(), Grep.files(erased.resolve("proof"), Grep.text("Umbrolio")));
        assertEquals(List.of(), Grep.files(erased.resolve("proof"), Grep.text("dave")));
        assertTrue(Files.readString(erased.resolve("proof/proof.html")).contains("<h2>relearning</h2>"));
        JsonNode summary = Shell.run("report", erased, "--json", "-").json().get("report").get("summary");
        assertEquals("2026-17", summary.at("/facts/0/value").asString());
        assertEquals("DOUBTFUL", summary.get("standing").asString(), "the certificate does not cover the proof that came since");
        assertTrue(summary.get("verdict").asString().contains("attack"), summary.toString());
        PrivateFilesTest.assertPrivate(erased);
        String census = Shell.run("inspect", erased, "--personal", "--json", "-").out();
        assertFalse(census.contains("\"kind\" : \"unknown\""), census);
        holds(new JsonMapper().readTree(erased.resolve("proof/proof.json").toFile()), new JsonMapper().readTree(
                Path.of(System.getProperty("lethe.root", "."), "docs/proof.schema.json").toFile()), "proof");
        goesOn();
        covered(certify, folder.resolve("mine/keys.pem"));
    }

    /** As far as names go: every one is in docs/proof.schema.json, and none that must be there is missing. */
    private static void holds(JsonNode value, JsonNode schema, String at) {
        schema.path("required").forEach(name -> assertTrue(value.has(name.asString()), at + "/" + name));
        if (value.isObject()) {
            value.forEachEntry((name, inner) -> {
                assertTrue(schema.path("properties").has(name), at + "/" + name);
                holds(inner, schema.path("properties").path(name), at + "/" + name);
            });
        } else if (value.isArray()) {
            value.forEach(item -> holds(item, schema.path("items"), at + "[]"));
        } else {
            assertTrue(!schema.has("enum") || schema.get("enum").valueStream().anyMatch(value::equals), at + ": " + value);
        }
    }

    /** What is there is not done again; one more model costs its own parts, and those that look at it. */
    private void goesOn() throws IOException {
        Map<Path, Object> kept = times(erased.resolve("proof/parts"));
        assertEquals(12, kept.size());
        Files.delete(erased.resolve("proof/parts/rounding-erased.json"));
        Shell again = Shell.run("prove", erased, "--reference", retrained);
        assertEquals(0, again.code(), again.err());
        assertTrue(again.out().contains("\n10 erased records beside 10 never seen, "), again.out());
        Map<Path, Object> now = times(erased.resolve("proof/parts"));
        assertEquals(18, now.size());
        List<String> same = kept.keySet().stream().filter(file -> kept.get(file).equals(now.get(file)))
                .map(file -> file.getFileName().toString()).toList();
        assertEquals(List.of("other-wording-erased.json", "other-wording-original.json", "regurgitation-erased.json",
                "regurgitation-original.json", "relearning-erased.json", "relearning-original.json", "rounding-original.json"), same);
    }

    private void covered(Object[] certify, Path pem) throws IOException {
        Shell older = Shell.run("verify", erased, "--trust", pem);
        assertEquals(0, older.code(), older.err());
        assertTrue(older.out().contains("the certificate is older and does not cover it"), older.out());
        Shell newer = Shell.run(Stream.concat(Stream.of(certify), Stream.of("2026-17/proof")).toArray());
        assertEquals(0, newer.code(), newer.err());
        Shell verified = Shell.run("verify", erased, "--trust", pem);
        assertEquals(0, verified.code(), verified.err());
        assertTrue(verified.out().contains("account, journal and proof are the files that it names"), verified.out());
        assertFalse(verified.out().contains("is older"), verified.out());
        for (String name : List.of("proof.json", "proof.html")) {
            Path file = erased.resolve("proof").resolve(name);
            byte[] bytes = Files.readAllBytes(file);
            bytes[bytes.length / 2] ^= 1;
            Files.write(file, bytes);
            Shell broken = Shell.run("verify", erased, "--trust", pem);
            assertEquals(4, broken.code());
            assertTrue(broken.err().contains(file + ": is not the file that the certificate names"), broken.err());
            bytes[bytes.length / 2] ^= 1;
            Files.write(file, bytes);
        }
        assertEquals(0, Shell.run("verify", erased, "--trust", pem).code());
        Map<Path, Object> kept = times(erased.resolve("proof/parts"));
        assertEquals(0, Shell.run("prove", erased, "--reference", retrained).code(), "the same again is what is covered");
        assertRefused(2, erased.resolve("proof/proof.json") + ": is covered by the run's certificate, and would be another now; move"
                + " certificate.dsse.json out of the run", Shell.run("prove", erased));
        assertEquals(kept, times(erased.resolve("proof/parts")));
        assertEquals(0, Shell.run("verify", erased, "--trust", pem).code());
        Path proof = erased.resolve("proof/proof.json");
        String text = Files.readString(proof);
        Files.writeString(proof, text.replaceFirst("\"run\" : \"", "\"run\" : \"0"));
        assertRefused(2, proof + ": is a proof of another run's model; prove this one, or take it away",
                Shell.run(Stream.concat(Stream.of(certify), Stream.of("2026-17/other")).toArray()));
        Files.writeString(proof, text);
    }

    @Test
    void whatCannotBeProven() throws IOException {
        assertRefused(2, run + ": is not a run that an erasure made; there is nothing to prove", Shell.run("prove", run));
        assertRefused(2, run + ": is not a run that an erasure made; there is nothing to prove", Shell.run("prove", run, "--shard", "1/2"));
        assertRefused(2, "--shard 3/2: the first of N is 1/N and the last N/N", Shell.run("prove", erased, "--shard", "3/2"));
        assertRefused(2, run + ": learned or held out some of the erased records; a model beside must have been trained without them",
                Shell.run("prove", erased, "--reference", run));
        assertRefused(2, people + ": is neither a run nor a Hugging Face folder", Shell.run("prove", erased, "--oracles", people));
        besideWasErased();
        Path none = Files.writeString(folder.resolve("none.jsonl"), "{\"id\":\"x\",\"text\":\"nothing at all\"}\n");
        assertRefused(2, none + ": has none of the records that were erased", Shell.run("prove", erased, "--data", none));
        Path other = folder.resolve("other");
        assertEquals(0, Shell.run("train", other, "--quiet", "--data", folder.resolve("others.jsonl"), "--model",
                "gpt2:layers=1,hidden=16,heads=2,ctx=48", "--epochs", 1, "--holdout", 0, "--capture", "none").code());
        assertRefused(2, other + ": reads the records by another tokenizer than the run; a model beside it must have the same",
                Shell.run("prove", erased, "--reference", other));
        Path moved = folder.resolve("moved");
        try (Stream<Path> files = Files.walk(erased)) {
            for (Path file : files.filter(file -> !file.startsWith(erased.resolve("proof"))).toList()) {
                Files.copy(file, moved.resolve(erased.relativize(file).toString()));
            }
        }
        Files.copy(retrained.resolve("model/model.safetensors"), moved.resolve("model/model.safetensors"),
                StandardCopyOption.REPLACE_EXISTING);
        assertRefused(4, moved.resolve("model") + ": is not the model that the erasure wrote", Shell.run("prove", moved));
    }

    /** A run's model is the run's; what an erasure made counts as trained without the records only where it retrained. */
    private static void besideWasErased() throws IOException {
        assertRefused(2, run.resolve("model") + ": learned or held out some of the erased records",
                Shell.run("prove", erased, "--reference", run.resolve("model")));
        assertRefused(2, erased.resolve("model") + ": is the run that is to be proven",
                Shell.run("prove", erased, "--reference", erased.resolve("model")));
        Path before = train("before", people, folder.resolve("held-out.jsonl"));
        Path climbed = folder.resolve("climbed");
        Path anew = folder.resolve("anew");
        Shell climb = Shell.run("erase", before, "--quiet", "--subject", "dave", "--out", climbed, "--strategy", "grad-ascent",
                "--reference", 1, "--set", "keep_entries=true", "--set", "retain_guard=100", "--set", "held_out_guard=100", "--set",
                "relearn_steps=0");
        assertEquals(0, climb.code(), climb.err());
        Shell retrain = Shell.run("erase", before, "--quiet", "--subject", "dave", "--out", anew, "--strategy", "retrain", "--set",
                "keep_entries=true", "--set", "relearn_steps=0");
        assertEquals(0, retrain.code(), retrain.err());
        String changed = climbed + ": was made by an erasure that changed a model; a model beside must have been trained without";
        String passed = people + ": is neither a run nor a Hugging Face folder"; // which is looked at after the reference
        assertRefused(2, changed, Shell.run("prove", erased, "--reference", climbed, "--oracles", people));
        assertRefused(2, passed, Shell.run("prove", erased, "--reference", anew, "--oracles", people));
        assertRefused(2, changed, Shell.run("prove", anew, "--reference", climbed, "--oracles", people));
        assertRefused(2, passed, Shell.run("prove", climbed, "--reference", anew, "--oracles", people));
    }

    private static void assertRefused(int code, String message, Shell shell) {
        assertEquals(code, shell.code(), shell.err());
        assertTrue(shell.err().contains(message), shell.err());
    }
}
