package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.PrivateFilesTest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** lethe erase --shard and the setting factors as a shell uses them, against one process that does both. */
class FactorShardsCommandTest {
    @TempDir
    static Path folder;
    private static Path run;

    @BeforeAll
    static void train() throws Exception {
        List<String> people = Files.readAllLines(Path.of(ScoreShardsTest.class.getResource("/dev/lethe/demo/people.jsonl").toURI()));
        Path data = Files.write(folder.resolve("people.jsonl"), people.subList(0, 60));
        run = folder.resolve("run");
        done(Shell.run("train", run, "--data", data, "--model", "gpt2:layers=1,hidden=16,heads=2,ctx=48", "--epochs", 2, "--learning-rate",
                1e-3, "--set", "head_top_k=8", "--capture", "last", "--sites", "all", "--quiet"));
    }

    private static Shell done(Shell shell) {
        assertEquals(0, shell.code(), shell.err());
        return shell;
    }

    /** An erasure of the words of which some differ. */
    private static Shell erase(Object... more) {
        List<Object> words = new ArrayList<>(List.of("erase", run, "--ids", "dave-job", "--strategy", "gauss-newton", "--quiet", "--json",
                "-", "--set", "ledger_curvature=1", "--set", "sites=all", "--set", "fixed=1e-6x2", "--set", "ignore_guards=true", "--set",
                "keep_entries=true", "--set", "reference=9", "--set", "threads=1", "--set", "relearn_steps=0", "--set", "polish=0"));
        words.addAll(List.of(more));
        return Shell.run(words.toArray());
    }

    @Test
    void theErasedModelIsThatOfOneProcess() throws IOException {
        Path parts = folder.resolve("parts");
        List<String> sites = new ArrayList<>();
        for (int i = 3; i >= 1; i--) {
            JsonNode shard = done(erase("--shard", i + "/3", "--out", parts)).json();
            assertEquals(i + "/3", shard.get("shard").asInt() + "/" + shard.get("of").asInt());
            assertTrue(shard.get("entries").asInt() > 32, shard.toString());
            shard.get("sites").forEach(site -> sites.add(site.asString()));
        }
        assertEquals(10, sites.stream().distinct().count(), sites.toString());
        PrivateFilesTest.assertPrivate(parts);
        done(erase("--out", folder.resolve("one")));
        done(erase("--out", folder.resolve("three"), "--set", "factors=" + parts));
        assertArrayEquals(Files.readAllBytes(folder.resolve("one/model/model.safetensors")),
                Files.readAllBytes(folder.resolve("three/model/model.safetensors")));

        Path none = folder.resolve("none");
        Path first = parts.resolve("shard-0001-of-0003.factors");
        Shell others = Shell.run("erase", run, "--ids", "dave-phone", "--strategy", "gauss-newton", "--quiet", "--out", none, "--set",
                "ledger_curvature=1", "--set", "sites=all", "--set", "factors=" + parts);
        assertEquals(2, others.code());
        assertTrue(others.err().startsWith("lethe: " + first + " was computed with other entries of the ledger (the records to erase,"
                + " contrast_sample and seed draw them) than this erasure asks for: "), others.err());
        done(erase("--shard", "2/3", "--out", parts, "--set", "threads=2"));
        Shell machine = erase("--out", none, "--set", "factors=" + parts);
        assertEquals(2, machine.code());
        assertTrue(machine.err().contains(" was computed with another machine than ") && machine.err().contains(", 2 threads, f32, not lethe "),
                machine.err());
        Files.delete(parts.resolve("shard-0002-of-0003.factors"));
        assertEquals("lethe: shard 2/3 is missing; compute that one too, as the others were\n",
                erase("--out", none, "--set", "factors=" + parts).err());
        assertFalse(Files.exists(none));
    }

    @Test
    void whatCannotBeAShardIsRefusedBeforeAnythingIsWritten() {
        Path out = folder.resolve("never");
        refused("--shard 0/3: the first of N is 1/N and the last N/N", "--shard", "0/3", "--out", out);
        refused("--shard 1: must be I/N, the I-th of N parts, such as 2/4", "--shard", "1", "--out", out);
        refused("--out DIR is missing: the folder of the shards", "--shard", "1/2");
        String nothing = "--shard erases nothing and certifies nothing: it takes a run, and neither --dry-run, request nor key";
        refused(nothing, "--shard", "1/2", "--out", out, "--dry-run");
        refused(nothing, "--shard", "1/2", "--out", out, "--key", folder);
        refused("shard 1/11: the curvature at these sites has 9 blocks, one a tensor, and a shard has at least one; ask for at most 9",
                "--shard", "1/11", "--out", out);
        String unused = "shards are of the ledger's curvature: they go with strategy gauss-newton and ledger_curvature=1, and without"
                + " factors, which are the result";
        refused(unused, "--shard", "1/2", "--out", out, "--set", "factors=" + out);
        refused(unused, "--shard", "1/2", "--out", out, "--set", "ledger_curvature=0");
        refused("factors is " + out + ", must be none but with ledger_curvature=1\nlethe: see: lethe erase --set factors=DIR", "--out", out,
                "--set", "ledger_curvature=0", "--set", "factors=" + out);
        refused(out + ": cannot be read: there is no such file or folder", "--out", folder.resolve("new"), "--set", "factors=" + out);
        assertFalse(Files.exists(out));
        assertFalse(Files.exists(folder.resolve("new")));
    }

    private static void refused(String message, Object... more) {
        assertEquals(new Shell(2, "", "lethe: " + message + "\n"), erase(more));
    }
}
