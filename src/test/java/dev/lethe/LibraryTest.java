package dev.lethe;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * What a program that embeds Lethe must not meet: the command's options in messages, and the common pool, which is the
 * program's. Read from the sources.
 */
class LibraryTest {
    private static final Path SOURCES = Path.of(System.getProperty("lethe.root", "."), "src/main/java/dev/lethe");
    /** The command, and studies, which only it runs. */
    private static final Pattern EXEMPT = Pattern.compile("(cli|console|experiment|page|spec|sweep)/.*");
    private static final Pattern OPTION = Pattern.compile("\"[^\"]*(?<![\\w-])--(?!(enable|illegal)-native-access)[a-z][^\"]*\"");
    private static final Pattern POOL = Pattern.compile("\\bparallelStream\\(|\\.parallel\\(\\)|\\bcommonPool\\(|\\b(supply|run)Async\\(");

    @Test
    void messagesNameNoOptions() throws IOException {
        assertEquals(List.of(), lines((name, text) -> !EXEMPT.matcher(name).matches() && !text.startsWith("*")
                && OPTION.matcher(text).find()));
    }

    @Test
    void nothingRunsOnTheCommonPool() throws IOException {
        assertEquals(List.of(), lines((_, text) -> POOL.matcher(text).find() && !text.contains("Work.parallel(")));
    }

    private interface Wrong {
        boolean is(String name, String text);
    }

    private static List<String> lines(Wrong wrong) throws IOException {
        List<String> found = new ArrayList<>();
        try (Stream<Path> files = Files.walk(SOURCES)) {
            for (Path file : files.filter(path -> path.toString().endsWith(".java")).sorted().toList()) {
                String name = SOURCES.relativize(file).toString();
                Files.readAllLines(file).stream().map(String::strip).filter(text -> wrong.is(name, text))
                        .forEach(text -> found.add(name + ": " + text));
            }
        }
        return found;
    }
}
