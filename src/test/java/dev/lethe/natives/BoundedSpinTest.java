package dev.lethe.natives;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Engine;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What libgomp says of its settings in a process that sets none, and in one whose user does. */
class BoundedSpinTest {
    @Test
    void aProcessThatSaysNothingSpinsBriefly() throws Exception {
        String said = load(Map.of());
        assertTrue(said.contains("GOMP_SPINCOUNT = '5000'"), said);
        assertTrue(said.contains("afterwards null"), said);
    }

    @Test
    void whatTheUserSetsStays() throws Exception {
        String said = load(Map.of("GOMP_SPINCOUNT", "77"));
        assertTrue(said.contains("GOMP_SPINCOUNT = '77'"), said);
        assertTrue(said.contains("afterwards 77"), said);
    }

    @Test
    void aWaitPolicyIsTheUsersWord() throws Exception {
        String said = load(Map.of("OMP_WAIT_POLICY", "PASSIVE"));
        assertTrue(said.contains("GOMP_SPINCOUNT = '0'"), said);
        assertTrue(said.contains("afterwards null"), said);
    }

    private static String load(Map<String, String> environment) throws Exception {
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
        if (System.getProperty("lethe.native") != null) {
            command.add("-Dlethe.native=" + System.getProperty("lethe.native"));
        }
        command.addAll(List.of("-cp", System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                Loading.class.getName()));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().keySet().removeIf(name -> name.startsWith("GOMP_") || name.startsWith("OMP_"));
        builder.environment().putAll(environment);
        builder.environment().put("OMP_DISPLAY_ENV", "verbose");
        Process process = builder.start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), said);
        return said;
    }

    /** Loads the library and says what the process's own environment, not Java's copy of it, has then. */
    static final class Loading {
        public static void main(String[] arguments) throws Throwable {
            Engine.buildInfo();
            Linker linker = Linker.nativeLinker();
            try (var arena = Arena.ofConfined()) {
                MemorySegment value = (MemorySegment) linker.downcallHandle(linker.defaultLookup().find("getenv").orElseThrow(),
                        FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.ADDRESS))
                        .invokeExact(arena.allocateFrom("GOMP_SPINCOUNT"));
                System.out.println("afterwards " + (value.equals(MemorySegment.NULL) ? "null"
                        : value.reinterpret(Long.MAX_VALUE).getString(0)));
            }
        }
    }
}
