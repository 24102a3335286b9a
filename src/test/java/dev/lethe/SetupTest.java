package dev.lethe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the build fetches is what was pinned, or nothing. */
class SetupTest {
    private static final Path ROOT = Path.of(System.getProperty("lethe.root", "."));
    private static final Path SETUP = ROOT.resolve("setup");

    @TempDir
    Path folder;

    @Test
    void aFileWithAnotherChecksumIsRefused() throws Exception {
        Path file = Files.writeString(folder.resolve("f"), "abc");
        String right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assertEquals("0", said("verify '" + file + "' " + right + "; echo $?"));
        assertTrue(said("verify '" + file + "' 00; echo $?").endsWith("SHA-256 " + right + ", pinned is 00\n1"));
    }

    @Test
    void aJdkThatIsNotThePinnedOneIsNotUnpacked() throws Exception {
        assumeTrue(said("command -v curl || true").endsWith("curl"), "no curl");
        Path archive = Files.writeString(folder.resolve("jdk.tar.gz"), "no JDK");
        String told = said("source setup/jdk.sh; build='" + folder + "'; mkdir '" + folder + "/jdk.part'; "
                + "jdk_from_download || echo refused", "LETHE_JDK_URL", archive.toUri().toString());
        assertTrue(told.contains("pinned is ") && told.endsWith("refused"), told);
    }

    @Test
    void everyWheelHasItsHashesAndEveryPipItsOneIndex() throws IOException {
        for (String name : List.of("torch-cpu.txt", "torch-cuda.txt", "tools.txt")) {
            String text = Files.readString(SETUP.resolve(name)).replaceAll("(?m)^#.*\n", "").replace("\\\n", "");
            text.lines().forEach(line -> assertTrue(line.matches("[a-z]+==[0-9.]+(\\+[a-z0-9]+)?( +--hash=sha256:[0-9a-f]{64})+"),
                    name + ": " + line));
        }
        for (String script : List.of("libtorch.sh", "tools.sh")) {
            String text = Files.readString(SETUP.resolve(script));
            assertTrue(text.contains("--require-hashes"), script);
            assertFalse(text.contains("--extra-index-url"), script);
        }
    }

    @Test
    void theMavenWrapperChecksWhatItFetches() throws IOException {
        Properties wrapper = new Properties();
        try (var in = Files.newInputStream(ROOT.resolve(".mvn/wrapper/maven-wrapper.properties"))) {
            wrapper.load(in);
        }
        assertTrue(wrapper.getProperty("distributionSha256Sum", "").matches("[0-9a-f]{64}"));
    }

    /** What bash says, on both streams, with setup/common.sh sourced. */
    private static String said(String script, String... environment) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder("bash", "-c", "source setup/common.sh; " + script)
                .directory(ROOT.toAbsolutePath().toFile()).redirectErrorStream(true);
        if (environment.length > 0) {
            builder.environment().putAll(Map.of(environment[0], environment[1]));
        }
        Process process = builder.start();
        String text = new String(process.getInputStream().readAllBytes());
        process.waitFor();
        return text.strip();
    }
}
