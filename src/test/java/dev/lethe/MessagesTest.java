package dev.lethe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.TrainConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What the library says to a program that embeds it: no spelling of the command's, and what is at fault by name. */
class MessagesTest {
    private static final Path SOURCES = Path.of(System.getProperty("lethe.root", "."), "src/main/java/dev/lethe");
    private static final Set<String> COMMAND = Set.of("cli", "console", "experiment");
    /** In a string; Java's own option for native access is no flag of the command's. */
    private static final Pattern FLAG = Pattern.compile("\"[^\"\\n]*(?<![\\w-])--(?!enable-native-access)[a-z][^\"\\n]*\"");

    @Test
    void theLibraryNamesNoFlagOfTheCommand() throws IOException {
        List<String> found = new ArrayList<>();
        try (Stream<Path> files = Files.walk(SOURCES)) {
            for (Path file : files.filter(one -> one.toString().endsWith(".java")
                    && !COMMAND.contains(one.getParent().getFileName().toString())).toList()) {
                for (String line : Files.readAllLines(file)) {
                    if (FLAG.matcher(line).find()) {
                        found.add(file.getFileName() + ": " + line.strip());
                    }
                }
            }
        }
        assertEquals(List.of(), found);
        assertTrue(FLAG.matcher("x(\"say --gone RUN\")").find());
    }

    @Test
    void whatIsAtFaultIsNamed() {
        LetheException training = assertThrows(LetheException.class, () -> TrainConfig.builder().epochs(0).batchSize(0).build());
        assertEquals(LetheException.Code.INPUT, training.code());
        assertEquals(List.of("epochs", "batch"), training.fields());
        assertEquals("", training.remedy());
        LetheException erasure = assertThrows(LetheException.class, () -> EraseConfig.defaults().toBuilder().hold(-2).build());
        assertEquals(List.of("hold"), erasure.fields());
        LetheException taken = assertThrows(LetheException.class, () -> dev.lethe.run.RunFolder.requireFree(SOURCES));
        assertEquals(LetheException.Code.CONFLICT, taken.code());
        assertEquals("name a new folder", taken.remedy());
    }
}
