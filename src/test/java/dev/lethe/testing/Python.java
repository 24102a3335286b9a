package dev.lethe.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Runs a committed Python script for a comparison: {@code $LETHE_PYTHON}, else {@code python3}. */
public final class Python {
    private Python() {
    }

    /** Skips the test, saying why, unless the interpreter has these modules. */
    public static void assume(String... modules) {
        boolean there;
        try {
            there = run(List.of("-c", "import sys, importlib.util as u; sys.exit(not all(map(u.find_spec, sys.argv[1:])))"),
                    modules).exit == 0;
        } catch (IOException e) {
            there = false;
        }
        assumeTrue(there, interpreter() + " lacks " + String.join(" or ", modules) + "; set LETHE_PYTHON to one that has them");
    }

    /** Runs a script of src/test/python and returns what it printed; fails with its errors unless it exits 0. */
    public static String script(String name, Object... arguments) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("lethe.root", "."), "src", "test", "python", name).toString());
        for (Object argument : arguments) {
            command.add(argument.toString());
        }
        Output output = run(command);
        assertEquals(0, output.exit, output.errors);
        return output.text;
    }

    private record Output(int exit, String text, String errors) {
    }

    private static Output run(List<String> start, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(start);
        command.addFirst(interpreter());
        command.addAll(List.of(arguments));
        Path errors = Files.createTempFile("lethe-python", ".err");
        try {
            ProcessBuilder builder = new ProcessBuilder(command).redirectError(errors.toFile());
            builder.environment().put("HF_HUB_OFFLINE", "1");
            builder.environment().put("PYTHONUTF8", "1");
            Process process = builder.start();
            String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            return new Output(process.waitFor(), text, Files.readString(errors));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        } finally {
            Files.deleteIfExists(errors);
        }
    }

    private static String interpreter() {
        String chosen = System.getenv("LETHE_PYTHON");
        return chosen == null || chosen.isBlank() ? "python3" : chosen;
    }
}
