package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunJson;
import dev.lethe.train.TinyData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** lethe train and erase --ranks under a real mpirun on this machine. Skipped where there is none, or the build had no MPI. */
@Tag("extended")
class MpiRanksTest {
    private static final double LOSSES = 1e-5; // what the order of fp32 sums comes to here; docs/scaling.md
    private static final double ERASED = 1e-4; // over some forty steps of an erasure
    private static final Map<String, String> ROOT = Map.of("OMPI_ALLOW_RUN_AS_ROOT", "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1",
            "LC_ALL", "C.UTF-8");
    private static final String MPIRUN = mpirun(4);

    @TempDir
    Path folder;
    private TinyData tiny;

    @BeforeEach
    void prepare() {
        String named = System.getProperty("lethe.native", "");
        assumeTrue(Files.exists(Path.of(named).resolveSibling("liblethe_mpi.so")),
                "liblethe_mpi.so is not beside the native library: it was built where there was no MPI");
        assumeTrue(Stream.of(System.getenv("PATH").split(":")).anyMatch(one -> Files.isExecutable(Path.of(one, "mpirun"))),
                "there is no mpirun on PATH");
        tiny = new TinyData(folder, 12);
    }

    private Object[] train(Path out, int epochs, Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("train", out, "--data", tiny.file, "--model",
                "gpt2:layers=1,hidden=16,heads=2,ctx=32", "--epochs", epochs, "--batch", 4, "--learning-rate", "5e-3", "--sites", "all",
                "--capture", "all", "--set", "checkpoint_every=5", "--holdout", "0.1", "--set", "threads=1", "--json", "-"));
        arguments.addAll(List.of(more));
        return arguments.toArray();
    }

    private static Shell ranks(String script, Object... arguments) throws Exception {
        return Child.run(script, ROOT, List.of(), arguments);
    }

    /** With so many seconds for rank 0 to speak, of which it waits all: after one it kills, and a busy machine needs more. */
    private static String mpirun(int seconds) {
        return "mpirun --oversubscribe --bind-to none --mca odls_base_sigkill_timeout " + seconds + " ";
    }

    /** Two ranks, the second of which is killed when this file has twelve lines. */
    private Shell oneKilledAt(String file, Object... arguments) throws Exception {
        return ranks("cd " + folder + "; " + mpirun(20) + "-n 2 bash -c 'echo $$ >pid.$OMPI_COMM_WORLD_RANK; exec \"$@\"' bash \"$@\" & "
                + "while kill -0 $! && ! { [ -f " + file + " ] && [ $(wc -l <" + file + ") -ge 12 ]; }; do sleep 0.02; done;"
                + " kill -9 $(cat pid.1); wait $!", arguments);
    }

    private static String end(Path run) {
        return "; " + run + " stands at the checkpoint of step";
    }

    private static List<Double> losses(Path run) throws IOException {
        return Files.readAllLines(run.resolve("metrics.jsonl")).stream().map(line -> RunJson.tree(line, "metrics").get("loss").asDouble())
                .toList();
    }

    private static void assertSame(Path one, Path several) throws IOException {
        assertEquals(RunInfo.State.COMPLETE, RunFolder.open(several).info().state());
        List<Double> expected = losses(one);
        List<Double> found = losses(several);
        assertEquals(expected.size(), found.size());
        for (int i = 0; i < expected.size(); i++) {
            assertEquals(1, found.get(i) / expected.get(i), LOSSES, "step " + (i + 1));
        }
        try (GradientLedger a = GradientLedger.open(one.resolve("ledger"));
                GradientLedger b = GradientLedger.open(several.resolve("ledger"))) {
            assertEquals(a.entries().stream().map(Entry::header).toList(), b.entries().stream().map(Entry::header).toList());
            assertTrue(b.verify().whole());
        }
    }

    @Test
    void twoAndThreeRanksTrainAsOneProcess() throws Exception {
        Path one = folder.resolve("one");
        assertEquals(0, Shell.run(train(one, 4)).code());
        for (int ranks : new int[] {2, 3}) {
            Path out = folder.resolve("on-" + ranks);
            Shell ended = ranks(MPIRUN + "-n " + ranks + " \"$@\"", train(out, 4, ranks == 2 ? "--ranks" : "--ranks=true"));
            assertEquals(0, ended.code(), ended.err());
            assertEquals(out.toString(), ended.json().get("run").asString(), "rank 0 alone speaks");
            assertSame(one, out);
        }
    }

    @Test
    void aKilledRankEndsAllAndAnyNumberGoesOn() throws Exception {
        Path one = folder.resolve("one");
        assertEquals(0, Shell.run(train(one, 40)).code());
        Path out = folder.resolve("killed");
        Shell ended = oneKilledAt("killed/metrics.jsonl", train(out, 40, "--ranks"));
        assertNotEquals(0, ended.code());
        assertTrue(ended.err().contains("lethe: rank 0 of 2: another rank is lost, or did not answer in time")
                && ended.err().contains(end(out)), ended.err());
        assertEquals(1, ended.err().lines().filter(line -> line.startsWith("lethe: rank")).count(), ended.err());
        assertEquals(RunInfo.State.TRAINING, RunFolder.openAny(out).info().state());

        Shell resumed = ranks(MPIRUN + "-n 3 \"$@\"", "train", out, "--resume", "--ranks", "--set", "threads=1");
        assertEquals(0, resumed.code(), resumed.err());
        assertSame(one, out);
    }

    @Test
    void oneRankOutOfDiskEndsAll() throws Exception {
        Path out = folder.resolve("full");
        Shell ended = ranks(MPIRUN + "-n 1 \"$@\" : -n 1 bash -c 'ulimit -f 200; exec \"$@\"' bash \"$@\"", train(out, 40, "--ranks"));
        assertEquals(2, ended.code(), ended.err());
        List<String> said = ended.err().lines().filter(line -> line.startsWith("lethe: rank")).toList();
        assertEquals(1, said.size(), ended.err());
        assertTrue(said.getFirst().startsWith("lethe: rank 1 of 2: ") && said.getFirst().contains("rank-0001"), ended.err());
        Shell resumed = ranks(MPIRUN + "-n 2 \"$@\"", "train", out, "--resume", "--ranks", "--set", "threads=1");
        assertEquals(0, resumed.code(), resumed.err());
        assertEquals(40 * 33, RunFolder.open(out).info().result().ledger().entries());
    }

    @Test
    void whatOneRankAloneLacksItSaysAndNobodyWaits() throws Exception {
        Path out = folder.resolve("lacking");
        Shell ended = ranks("timeout 100 mpirun --oversubscribe --bind-to none -n 1 \"$@\""
                + " : -n 1 bash -c 'exec \"${@/people.jsonl/absent.jsonl}\"' bash \"$@\"", train(out, 4, "--ranks"));
        assertEquals(2, ended.code(), ended.err());
        assertTrue(ended.err().lines().anyMatch(line -> line.startsWith("lethe: ") && line.contains("absent.jsonl")), ended.err());
        assertFalse(Files.exists(out));
    }

    @Test
    void whatDiffersIsRefusedBeforeAnythingIsWritten() throws Exception {
        Path out = folder.resolve("none");
        Shell ended = ranks(MPIRUN + "-n 1 \"$@\" : -n 1 \"$@\" --set max_norm=2", train(out, 4, "--ranks"));
        assertEquals(2, ended.code(), ended.err());
        assertTrue(ended.err().contains("lethe: rank 1 of 2 differs from rank 0 in options: max_norm is 2.0, rank 0 has 1.0"),
                ended.err());
        Shell alone = ranks(MPIRUN + "-n 2 \"$@\"", train(out, 4));
        assertTrue(alone.err().contains("lethe: one of 2 processes that mpirun started, and each would train by itself; add --ranks"),
                alone.err());
        Shell none = ranks("\"$@\"", train(out, 4, "--ranks"));
        assertTrue(none.err().contains("lethe: ranks: no launcher has started this process as one of several; start the ranks by mpirun"),
                none.err());
        Shell torchrun = ranks("RANK=0 WORLD_SIZE=2 MASTER_ADDR=localhost MASTER_PORT=29500 \"$@\"", train(out, 4, "--ranks"));
        assertTrue(torchrun.err().contains("RANK and WORLD_SIZE say rank 0 of 2, as torchrun does"), torchrun.err());
        assertFalse(Files.exists(out));
    }

    /** A trained run, and the erasure of one person's records from it. */
    private Object[] erase(Path out, Object... more) {
        if (!Files.exists(folder.resolve("source"))) {
            assertEquals(0, Shell.run(train(folder.resolve("source"), 40)).code());
        }
        List<Object> arguments = new ArrayList<>(List.of("erase", folder.resolve("source"), "--out", out, "--subject", "person1",
                "--reference", "3", "--set", "keep_entries=true", "--set", "threads=1", "--json", "-"));
        arguments.addAll(List.of(more));
        return arguments.toArray();
    }

    @Test
    void twoRanksEraseAsOneProcess() throws Exception {
        Object[] guards = {"--set", "retain_guard=2", "--set", "held_out_guard=2"};
        Shell one = Shell.run(erase(folder.resolve("out-1"), guards));
        assertEquals(0, one.code(), one.err());
        Path out = folder.resolve("out-2");
        Shell two = ranks(MPIRUN + "-n 2 \"$@\" --ranks", erase(out, guards));
        assertEquals(0, two.code(), two.err());
        assertEquals(out.toString(), two.json().get("run").asString(), "rank 0 alone speaks");
        for (String of : List.of("forget", "retain", "heldOut")) {
            double expected = one.json().get("after").get(of).asDouble();
            assertEquals(1, two.json().get("after").get(of).asDouble() / expected, ERASED, of);
        }
        assertEquals(one.json().get("ascents"), two.json().get("ascents"));
        assertEquals(Files.readAllLines(folder.resolve("out-1/journal/steps.jsonl")).size(),
                Files.readAllLines(out.resolve("journal/steps.jsonl")).size());
        assertFalse(Files.exists(folder.resolve("out-2.erasing")));

        Shell replay = ranks(MPIRUN + "-n 2 \"$@\"", erase(folder.resolve("out-3"), "--ranks", "--strategy", "replay"));
        assertEquals(2, replay.code(), replay.err());
        assertTrue(replay.err().contains("lethe: strategy replay: a replay is one process's"), replay.err());
        Shell absent = ranks(MPIRUN + "-n 2 \"$@\"", erase(folder.resolve("out-3"), "--ranks", "--data", folder.resolve("absent.jsonl")));
        assertEquals(2, absent.code(), absent.err());
        assertEquals(1, absent.err().lines().filter(line -> line.startsWith("lethe: ") && line.contains("absent.jsonl")).count(),
                absent.err());
        assertFalse(Files.exists(folder.resolve("out-3")));
    }

    @Test
    void aRankKilledInAnErasureEndsAllAndNothingIsMade() throws Exception {
        Path out = folder.resolve("killed");
        Object[] command = erase(out, "--ranks", "--strategy", "retrain"); // which lasts
        String before = Files.readString(folder.resolve("source/records.jsonl"));
        Shell ended = oneKilledAt("killed.erasing/retrained/metrics.jsonl", command);
        assertNotEquals(0, ended.code());
        assertTrue(ended.err().contains("lethe: rank 0 of 2: another rank is lost, or did not answer in time") && ended.err()
                .contains("; no new run was made and the source run is as it was"), ended.err());
        assertEquals(1, ended.err().lines().filter(line -> line.startsWith("lethe: rank")).count(), ended.err());
        assertFalse(Files.exists(out));
        assertFalse(Files.exists(folder.resolve("killed.erasing")));
        assertEquals(before, Files.readString(folder.resolve("source/records.jsonl")));
        Shell again = ranks(MPIRUN + "-n 2 \"$@\"", command);
        assertEquals(0, again.code(), again.err());
        assertEquals(33, RunFolder.open(out).info().result().ledger().entries() / 40, "the retrained run's ledger");
    }
}
