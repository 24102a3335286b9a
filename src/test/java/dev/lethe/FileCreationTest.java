package dev.lethe;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Files and folders are made in one place, base.PrivateFiles, which makes them for their owner alone and follows no link.
 * Read from the sources. Outputs that a user names on the command line go where the user says.
 */
class FileCreationTest {
    private static final Path SOURCES = Path.of(System.getProperty("lethe.root", "."), "src/main/java/dev/lethe");
    private static final Set<Path> EXEMPT = Set.of(
            Path.of("base/PrivateFiles.java"), Path.of("base/Shred.java"),
            Path.of("report/OutputFile.java"), Path.of("console/Terminal.java"),
                    // what a user names: --json, --csv, --plot; and stdout
            Path.of("sweep/Costs.java")); // resets a counter of the kernel in /proc
    private static final Pattern MAKES = Pattern.compile("\\bFileOutputStream\\b|\\bRandomAccessFile\\b|\\bFileWriter\\b"
            + "|\\bFiles\\.(write|writeString|newOutputStream|newBufferedWriter|newByteChannel|copy|create(?!Link)\\w+)\\("
            + "|\\bStandardOpenOption\\.(WRITE|CREATE|CREATE_NEW|APPEND|TRUNCATE_EXISTING)\\b|\\.mkdirs?\\(");

    @Test
    void onePlaceMakesFiles() throws IOException {
        List<String> wrong = new ArrayList<>();
        try (Stream<Path> files = Files.walk(SOURCES)) {
            for (Path file : files.filter(path -> path.toString().endsWith(".java")).sorted().toList()) {
                Path name = SOURCES.relativize(file);
                int line = 0;
                for (String text : Files.readAllLines(file)) {
                    line++;
                    if (!EXEMPT.contains(name) && !text.strip().startsWith("import ") && MAKES.matcher(text).find()) {
                        wrong.add(name + ":" + line + ": " + text.strip());
                    }
                }
            }
        }
        assertEquals(List.of(), wrong);
    }
}
