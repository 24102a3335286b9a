package dev.lethe.cli;

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

/** lethe score --shard and lethe merge-scores as a shell uses them, against lethe score alone. */
class ScoreShardsTest {
    @TempDir
    static Path folder;
    private static Path data;
    private static Path run;

    @BeforeAll
    static void train() throws Exception {
        List<String> people = Files.readAllLines(Path.of(ScoreShardsTest.class.getResource("/dev/lethe/demo/people.jsonl").toURI()));
        data = Files.write(folder.resolve("people.jsonl"), people.subList(0, 30));
        run = folder.resolve("run");
        done(Shell.run("train", run, "--data", data, "--model", "gpt2:layers=1,hidden=16,heads=2,ctx=48", "--epochs", 2, "--learning-rate",
                1e-3, "--set", "head_top_k=8", "--capture", "all", "--sites", "all", "--quiet"));
    }

    @Test
    void everyMethodMergesToTheVeryBytesOfOneProcess() throws IOException {
        for (List<Object> asked : List.<List<Object>>of(List.of("--ids", "dave-job", "--method", "dot"),
                List.of("--text", "Dave Umbrolio", "--method", "tracin", "--set", "epochs=1"),
                List.of("--queries", data, "--method", "cosine", "--set", "query_memory=1"),
                List.of("--method", "self", "--sites", "block:0"),
                List.of("--ids", "dave-job", "--method", "ekfac-cosine", "--set", "damping=0.5", "--set", "curvature_records=8"),
                List.of("--ids", "dave-job", "--method", "cg", "--set", "damping=0.5", "--set", "curvature_records=8", "--set",
                        "tolerance=0.1"))) {
            Path parts = folder.resolve("parts" + asked.hashCode());
            Path csv = folder.resolve("one.csv");
            Path plot = folder.resolve("one.svg");
            Shell one = score(asked, "--csv", csv, "--plot", plot, "--top", 0, "--json", "-");
            int entries = 0;
            for (int i = 3; i >= 1; i--) {
                JsonNode shard = score(asked, "--shard", i + "/3", "--out", parts, "--top", 0, "--json", "-").json();
                assertTrue(shard.get("entries").asInt() > 5, shard.toString());
                entries += shard.get("entries").asInt();
            }
            PrivateFilesTest.assertPrivate(parts);
            assertEquals(asked.contains("epochs=1") ? 28 : 56, entries);
            Path merged = folder.resolve("merged.csv");
            Path drawn = folder.resolve("merged.svg");
            Shell all = done(Shell.run("merge-scores", run, parts, "--csv", merged, "--plot", drawn, "--top", 0, "--json", "-"));
            assertEquals(one.out(), all.out(), asked.toString());
            assertEquals(Files.readString(csv), Files.readString(merged));
            assertEquals(Files.readString(plot), Files.readString(drawn));
        }
    }

    private static Shell score(List<Object> asked, Object... more) {
        List<Object> words = new ArrayList<>(List.of("score", run, "--quiet", "--set", "block_memory=0.05"));
        words.addAll(asked);
        words.addAll(List.of(more));
        return done(Shell.run(words.toArray()));
    }

    private static Shell done(Shell shell) {
        assertEquals(0, shell.code(), shell.err());
        return shell;
    }

    @Test
    void whatCannotBeAShardIsRefusedBeforeAnythingIsWritten() {
        Path out = folder.resolve("never");
        for (String shard : List.of("0/3", "4/3", "1/0"))
            refused("--shard " + shard + ": the first of N is 1/N and the last N/N", "--shard", shard, "--out", out);
        for (String shard : List.of("1", "a/b", "1/2/3", "-1/3", "1/99999999999", "١/٣"))
            refused("--shard " + shard + ": must be I/N, the I-th of N parts, such as 2/4", "--shard", shard, "--out", out);
        String together = "--shard I/N and --out DIR go together: a shard's partial result is a file in that folder";
        refused(together, "--shard", "1/2");
        refused(together, "--out", out);
        refused("--csv and --plot go with lethe merge-scores, which has all shards' scores", "--shard", "1/2", "--out", out, "--csv",
                folder.resolve("x.csv"));
        refused("--method act-grad reads no ledger, which has the shards", "--shard", "1/2", "--out", out, "--method", "act-grad");
        assertFalse(Files.exists(out));
    }

    private static void refused(String message, Object... more) {
        List<Object> words = new ArrayList<>(List.of("score", run, "--text", "Dave"));
        words.addAll(List.of(more));
        assertEquals(new Shell(2, "", "lethe: " + message + "\n"), Shell.run(words.toArray()));
    }

    @Test
    void mergeSaysWhatIsMissingOrWrong() throws IOException {
        Path parts = folder.resolve("some");
        List<Object> asked = List.of("--text", "Dave");
        merges(2, folder.resolve("nowhere") + ": cannot be read: there is no such file or folder", folder.resolve("nowhere"));
        merges(2, folder + ": there is no partial result in it (*.scores); compute the shards first (docs/scaling.md)", folder);
        score(asked, "--shard", "1/2", "--out", parts);
        merges(2, "shard 2/2 is missing; compute that one too, as the others were", parts);
        score(asked, "--shard", "2/2", "--out", parts, "--method", "tracin");
        Path first = parts.resolve("shard-0001-of-0002.scores");
        Path second = parts.resolve("shard-0002-of-0002.scores");
        merges(2, second + " was computed with another weighing than " + first + ": [LEARNING_RATE], not [SUM]; compute its shard again as"
                + " the others were", parts);
        score(List.of("--text", "Dave", "--set", "threads=7"), "--shard", "2/2", "--out", parts);
        Shell machine = Shell.run("merge-scores", run, parts);
        assertEquals(2, machine.code());
        assertTrue(machine.err().contains(" was computed with another machine than ") && machine.err().contains(", 7 threads, f32, not lethe "),
                machine.err());
        score(asked, "--shard", "2/2", "--out", parts);
        byte[] bytes = Files.readAllBytes(second);
        Files.write(second, java.util.Arrays.copyOf(bytes, bytes.length - 100));
        merges(4, second + ": is damaged: its SHA-256 does not match; score its shard again", parts);
        Files.write(second, bytes);
        Path other = folder.resolve("other");
        done(Shell.run("train", other, "--data", data, "--model", "gpt2:layers=1,hidden=16,heads=2,ctx=48", "--epochs", 1, "--quiet"));
        Shell foreign = Shell.run("merge-scores", other, parts);
        assertEquals(new Shell(2, "", "lethe: " + first + ": was scored with other weights than those that lie in "
                + other.resolve("model") + " now; name the run that was scored, or score the shards again\n"), foreign);
        assertEquals(0, Shell.run("merge-scores", run, first, second).code());
    }

    private static void merges(int code, String message, Path parts) {
        assertEquals(new Shell(code, "", "lethe: " + message + "\n"), Shell.run("merge-scores", run, parts));
    }
}
