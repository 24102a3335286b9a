package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where results go: links, devices and FIFOs stay what they are, and other people's ids do not act. */
class OutputsTest {
    private static final String EVIL = "evil\u001b[2J\n100.0  forged  line";

    @TempDir
    static Path folder;
    private static Path data;
    private static Path run;

    @BeforeAll
    static void train() throws IOException {
        data = Files.writeString(folder.resolve("d.jsonl"), """
                {"id": "=HYPERLINK(1)", "subject": "dave", "text": "Dave lives in a house by the sea."}
                {"id": "-2", "subject": "dave", "text": "Dave likes herring."}
                {"id": "@sum", "subject": "dave", "text": "Dave has a boat."}
                {"id": "evil\\u001b[2J\\n100.0  forged  line", "subject": "eve", "text": "Eve is a gardener."}
                """);
        run = folder.resolve("run");
        Shell trained = Shell.run("train", run, "-q", "--data", data, "--model", "gpt2:layers=1,hidden=8,heads=2,ctx=16",
                "--set", "max_steps=1", "--capture", "all", "--set", "head_top_k=4", "--holdout", 0);
        assertEquals(0, trained.code(), trained.err());
    }

    @Test
    void everyNamedOutputFollowsALink() throws IOException {
        Path kept = Files.createDirectory(folder.resolve("kept"));
        Path old = Files.writeString(kept.resolve("old.json"), "old");
        Files.setPosixFilePermissions(old, PosixFilePermissions.fromString("rw-r-----"));
        Path json = Files.createSymbolicLink(folder.resolve("link.json"), Path.of("kept/old.json"));
        Path csv = Files.createSymbolicLink(folder.resolve("link.csv"), kept.resolve("new.csv"));
        Path plot = Files.createSymbolicLink(folder.resolve("link.svg"), kept.resolve("new.svg"));
        Shell shell = Shell.run("score", run, "--text", "Dave", "--json", json, "--csv", csv, "--plot", plot);
        assertEquals(0, shell.code(), shell.err());
        assertTrue(Stream.of(json, csv, plot).allMatch(Files::isSymbolicLink), "the links are still links");
        assertTrue(Files.readString(old).startsWith("{"));
        assertEquals("rw-r-----", PosixFilePermissions.toString(Files.getPosixFilePermissions(old)));
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(kept.resolve("new.csv"))));
        assertTrue(Files.readString(kept.resolve("new.svg")).startsWith("<svg"));
        try (var files = Files.list(kept)) {
            assertEquals(3, files.count(), "nothing is left beside them");
        }
        Path circle = Files.createSymbolicLink(folder.resolve("circle.json"), Path.of("circle.json"));
        assertEquals("lethe: " + circle + ": cannot be written: its links go in a circle\n",
                Shell.run("find", "--data", data, "--subject", "dave", "--json", circle).err());
        assertEquals(2, Shell.run("find", "--data", data, "--subject", "dave", "--json", folder).code());
    }

    @Test
    void aFifoIsWrittenInto() throws Exception {
        Path fifo = folder.resolve("fifo");
        assumeTrue(succeeds("mkfifo", fifo.toString()), "no mkfifo");
        FutureTask<String> reader = new FutureTask<>((Callable<String>) () -> Files.readString(fifo));
        Thread.ofPlatform().daemon().start(reader);
        assertEquals(0, Shell.run("find", "--data", data, "--subject", "dave", "--json", fifo).code());
        assertTrue(Files.readAttributes(fifo, BasicFileAttributes.class).isOther());
        assertTrue(reader.get().startsWith("{"));
    }

    @Test
    void aDeviceStaysOneAndAFullOneIsAnError() throws Exception {
        Path sink = folder.resolve("null-device");
        Path full = folder.resolve("full-device");
        assumeTrue(succeeds("mknod", sink.toString(), "c", "1", "3") && succeeds("mknod", full.toString(), "c", "1", "7"),
                "only root makes devices");
        assertEquals(0, Shell.run("find", "--data", data, "--subject", "dave", "--json", sink).code());
        Shell shell = Shell.run("find", "--data", data, "--subject", "dave", "--json", full);
        assertFalse(Files.isRegularFile(sink, LinkOption.NOFOLLOW_LINKS));
        assertFalse(Files.isRegularFile(full, LinkOption.NOFOLLOW_LINKS));
        assertEquals(new Shell(2, "", "lethe: " + full + ": cannot be written: No space left on device\n"), shell);
    }

    @Test
    void aFullStdoutIsAnErrorAndAClosedPipeIsQuiet() throws Exception {
        assumeTrue(Files.exists(Path.of("/dev/full")), "no /dev/full");
        Shell full = Child.run("\"$@\" >/dev/full", Map.of(), List.of(), "find", "--data", data, "--subject", "dave");
        assertEquals(new Shell(2, "", "lethe: the result cannot be written to stdout: No space left on device\n"), full);
        Shell closed = Child.run("\"$@\" | true; exit ${PIPESTATUS[0]}", Map.of(), List.of(), "find", "--data", data,
                "--subject", "dave");
        assertEquals(new Shell(0, "", ""), closed);
    }

    @Test
    void idsAreNoFormulasInATable() throws IOException {
        Path csv = folder.resolve("scores.csv");
        assertEquals(0, Shell.run("score", run, "--text", "Dave", "--method", "dot", "--csv", csv).code());
        String table = Files.readString(csv);
        assertTrue(table.contains(",'=HYPERLINK(1),") && table.contains(",'@sum,"), table);
        assertTrue(table.contains(",-2,"), "a number stays one");
        assertFalse(table.contains("'-") || table.contains("'+"), "scores are numbers");
    }

    @Test
    void idsMoveNoCursorAndForgeNoLine() {
        Shell shell = Shell.run("find", "--data", data, "--subject", "eve");
        assertEquals(2, shell.out().lines().count());
        assertTrue(shell.out().contains("evil\\u001b[2J\\n100.0  forged"), shell.out());
        assertEquals(EVIL, Shell.run("find", "--data", data, "--subject", "eve", "--json", "-").json().get("matches").get(0)
                .get("record_id").asString());
        Shell unknown = Shell.run("find", "--data", data, "--subject", "\u001b]0;title\u0007\u202e");
        assertFalse(unknown.err().matches("(?s).*[\u001b\u0007\u202e].*"), unknown.err());
    }

    @Test
    void resumingACompleteRunIsDone() {
        Shell shell = Shell.run("train", run, "--resume");
        assertEquals(0, shell.code());
        assertEquals("lethe: train: " + run + " is complete, nothing was left to do\n", shell.err());
        assertTrue(shell.out().contains("steps      1,"), shell.out());
        assertEquals(1, Shell.run("train", run, "--resume", "--json", "-").json().get("steps").asInt());
        assertEquals(2, Shell.run("train", run, "--resume", "--data", data, "--epochs", 7).code());
        Shell told = Shell.run("train", run, "--resume", "--epochs", 7, "--set", "warmup=3", "--lora", "r=2");
        assertEquals(2, told.code());
        assertEquals("lethe: a training is resumed as it was begun, so these count for nothing beside --resume: epochs, warmup, --lora;"
                + " leave them out, or have settings compared by giving --data too\n", told.err());
        assertEquals(0, Shell.run("train", run, "--resume", "--set", "threads=1").code());
    }

    @Test
    void unknownSitesAreTheUsersAffair() {
        for (List<Object> command : List.<List<Object>>of(List.of("score", "--text", "Dave"),
                List.of("experiment", "influence", "--queries", data), List.of("experiment", "loo", "--queries", data),
                List.of("experiment", "lds", "--queries", data))) {
            for (String sites : List.of("nosuchsite", "wpe", "")) {
                List<Object> line = new ArrayList<>(command);
                line.addAll(List.of(run, "--sites", sites));
                Shell shell = Shell.run(line.toArray());
                assertEquals(2, shell.code(), shell.err());
                assertTrue(shell.err().lines().anyMatch(text -> text.startsWith("lethe: sites")), shell.err());
            }
        }
    }

    private static boolean succeeds(String... command) throws IOException, InterruptedException {
        return new ProcessBuilder(command).redirectErrorStream(true).start().waitFor() == 0;
    }
}
