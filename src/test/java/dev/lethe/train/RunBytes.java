package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Two runs of one training are the same files with the same bytes, timings aside. */
final class RunBytes {
    private RunBytes() { }

    static void assertSame(Path expected, Path actual) throws IOException {
        List<Path> files = files(expected);
        assertEquals(files, files(actual));
        for (Path file : files) {
            assertEquals(-1, Files.mismatch(expected.resolve(file), actual.resolve(file)),
                    "first different byte of " + file + " in " + expected + " and " + actual);
        }
    }

    private static List<Path> files(Path run) throws IOException {
        try (Stream<Path> files = Files.walk(run)) {
            return files.filter(Files::isRegularFile).map(run::relativize)
                    .filter(path -> !path.endsWith("timings.jsonl")).sorted().toList();
        }
    }
}
