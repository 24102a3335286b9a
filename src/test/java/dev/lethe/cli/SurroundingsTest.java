package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.util.Platform;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.api.parallel.Resources;

/** Whatever machine it runs on: its language and character set, little memory, a library that cannot be loaded. */
class SurroundingsTest {
    @TempDir
    Path folder;

    @Test
    @ResourceLock(Resources.LOCALE)
    void anArabicMachineWritesTheSameRun() throws IOException {
        Locale before = Locale.getDefault();
        Path here = folder.resolve("here");
        Path there = folder.resolve("there");
        try {
            Locale.setDefault(Locale.ROOT);
            train(here);
            Locale.setDefault(Locale.of("ar", "EG"));
            assertEquals("٣", String.format("%d", 3), "the test's own premise"); // the JDK's digits of that locale
            train(there);
            Shell erased = Shell.run("erase", there, "-q", "--subject", "dave", "--out", folder.resolve("erased"),
                    "--set", "ignore_guards", "--set", "repair_budget=0.2");
            assertEquals(0, erased.code(), erased.err());
        } finally {
            Locale.setDefault(before);
        }
        assertTrue(Files.exists(there.resolve("ledger/segment-000000.ledger")));
        assertEquals(Files.readString(here.resolve("metrics.jsonl")), Files.readString(there.resolve("metrics.jsonl")));
        for (Path run : List.of(there, folder.resolve("erased"))) {
            Shell inspected = Shell.run("inspect", run);
            assertEquals(0, inspected.code(), inspected.out() + inspected.err());
            assertTrue(inspected.out().contains("6 entries (3 destroyed)"), inspected.out());
        }
    }

    private Path train(Path run) throws IOException {
        Path data = folder.resolve("d.jsonl");
        Files.writeString(data, """
                {"id": "a", "subject": "dave", "text": "Dave lives in a house by the sea."}
                {"id": "b", "subject": "dave", "text": "Dave likes herring."}
                {"id": "c", "subject": "dave", "text": "Dave has a boat."}
                {"id": "d", "subject": "eve", "text": "Eve is a gardener."}
                {"id": "e", "subject": "eve", "text": "Eve has a garden."}
                {"id": "f", "subject": "mia", "text": "Mia plays the cello."}
                {"id": "g", "subject": "ann", "text": "Ann sings."}
                """);
        Shell shell = Shell.run("train", run, "-q", "--data", data, "--model", "gpt2:layers=1,hidden=8,heads=2,ctx=16",
                "--epochs", 2,
                "--set", "head_top_k=4", "--holdout", 0.15, "--set", "seed=3");
        assertEquals(0, shell.code(), shell.err());
        return run;
    }

    @Test
    void withoutALocaleNamesAreRefusedAndTheLauncherSetsOne() throws Exception {
        String zoe = "zoe=$(printf 'Zo\\303\\253'); "; // in bytes, for this test's own JVM may lack the letter too
        String file = "printf '{\"subject\": \"%s\", \"text\": \"a\"}' \"$zoe\" >\"$DIR/$zoe.jsonl\"; ";
        String command = "exec \"$@\" find --data \"$DIR/$zoe.jsonl\" --subject \"$zoe\"";
        Map<String, String> environment = Map.of("DIR", folder.toString());
        Shell bare = Child.run(zoe + file + command, environment, List.of());
        assertEquals(2, bare.code());
        assertTrue(bare.err().contains("has bytes that are no text in this process's character set, ANSI_X3.4-1968; "
                + "set one of UTF-8, for example LC_ALL=C.UTF-8"), bare.err());
        Shell launched = Child.run(zoe + file + "source setup/locale.sh; " + command, environment, List.of());
        assertEquals(0, launched.code(), launched.err());
        assertTrue(launched.out().endsWith("1 of 1 records match\n"), launched.out());
        assertTrue(Files.readString(Path.of(System.getProperty("lethe.root", "."), "lethe")).contains("setup/locale.sh"));
    }

    @Test
    void moreRecordsThanMemoryAreRefusedAtALine() throws Exception {
        Path data = folder.resolve("many.jsonl.gz");
        byte[] line = "{\"text\": \"aaaa bbb ccc\"}\n".getBytes(StandardCharsets.UTF_8);
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(data))) {
            for (int i = 0; i < 200_000; i++) {
                out.write(line);
            }
        }
        Shell shell = Child.run("exec \"$@\"", Map.of(), List.of("-Xmx32m"), "find", "--data", data, "--subject", "x");
        assertEquals(2, shell.code(), shell.err());
        assertTrue(shell.err().matches("lethe: \\Q" + data + "\\E:[0-9]+: the records up to here need more than the [0-9]+ MiB"
                + " that Java may take; give it more with LETHE_JAVA_OPTS=-Xmx8g, or use a part of the file\n"), shell.err());
    }

    @Test
    void anExhaustedHeapIsOneLine() throws Exception {
        Path data = Files.write(folder.resolve("long.txt"), new byte[30 << 20]);
        Shell shell = Child.run("exec \"$@\"", Map.of(), List.of("-Xmx32m"), "find", "--data", data, "--text", "x");
        assertEquals(2, shell.code(), shell.err());
        assertTrue(shell.err().matches("lethe: out of memory \\(Java heap space\\), of which Java may take .* MiB; give it more"
                + " with LETHE_JAVA_OPTS=-Xmx8g, or use less data at once\n"), shell.err());
    }

    @Test
    void aTokenizerLibraryThatCannotBeLoadedIsOneLine() throws Exception {
        Path model = train(folder.resolve("run")).resolve("model");
        try (var files = Files.list(Path.of(getClass().getResource("/golden/small-tokenizer").toURI()))) {
            for (Path file : files.toList()) {
                Files.write(model.resolve(file.getFileName()), Files.readAllBytes(file));
            }
        }
        Path cache = folder.resolve("cache");
        Platform platform = Platform.detectPlatform("tokenizers");
        Path unpacked = Files.createDirectories(cache.resolve("tokenizers/" + platform.getVersion() + "-cpu-"
                + platform.getClassifier()));
        Files.writeString(unpacked.resolve("libtokenizers.so"), "no library");
        for (Path unusable : List.of(cache, Path.of("/proc/none"))) {
            Shell shell = evaluate(model, unusable);
            assertEquals(2, shell.code(), shell.err());
            assertTrue(shell.err().contains("lethe: the tokenizers' native library cannot be loaded: "), shell.err());
            assertTrue(shell.err().endsWith("; it is unpacked into " + unusable + "/tokenizers: set DJL_CACHE_DIR to a folder"
                    + " that can be written and whose file system is not mounted noexec\n"), shell.err());
        }
    }

    private Shell evaluate(Path model, Path cache) throws Exception {
        return Child.run("exec \"$@\"", Map.of("DJL_CACHE_DIR", cache.toString(), "OMP_WAIT_POLICY", "passive"), List.of(),
                "eval", model, "-q", "--data", folder.resolve("d.jsonl"), "--continue", 0);
    }
}
