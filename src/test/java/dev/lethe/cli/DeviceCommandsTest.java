package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Commands with --device cuda on the emulated device, in a process of its own, for a process has one native library. */
class DeviceCommandsTest {
    @TempDir
    Path folder;

    @Test
    void everyMethodAndStrategyRunsOnADevice() throws Exception {
        String library = System.getProperty("lethe.native", "build/native/liblethe.so");
        Path emulated = Path.of(library).toAbsolutePath().resolveSibling("test/liblethe_emulated.so");
        assumeTrue(Files.exists(emulated), emulated + " is not built");
        Path output = folder.resolve("output");
        Process child = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "-Dlethe.native=" + emulated, "-cp",
                System.getProperty("java.class.path"), DeviceCommandsChild.class.getName(), folder.toString())
                .redirectErrorStream(true).redirectOutput(output.toFile()).start();
        int status = child.waitFor();
        assertEquals(0, status, Files.readString(output, StandardCharsets.UTF_8));
    }
}
