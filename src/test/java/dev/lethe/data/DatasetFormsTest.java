package dev.lethe.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lethe.base.BadInputException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The forms that files of other systems and tools have: their line ends and names, and what they write that is no JSON. */
class DatasetFormsTest {
    private static final String FORM = "; a line is {\"text\": …}, {\"prompt\": …, \"completion\": …},"
            + " {\"question\": …, \"answer\": …} or {\"messages\": […]}";

    @TempDir
    Path folder;

    @Test
    void everyKindOfLineEndEndsALine() throws IOException {
        Path file = Files.writeString(folder.resolve("t.txt"), "a\rb\r\nc\n\nd\r\r\ne\r");
        assertEquals(List.of("a", "b", "c", "d", "e"), Dataset.read(file).records().stream().map(TextRecord::text).toList());
        assertEquals(List.of("t-1", "t-2", "t-3", "t-5", "t-7"), Dataset.read(file).records().stream().map(TextRecord::id).toList());
        Path json = Files.writeString(folder.resolve("j.jsonl"), "{\"text\": \"a\"}\r{\"text\": \"b\"}");
        assertEquals(2, Dataset.read(json).size());
    }

    @Test
    void capitalsInTheNameAreTheSameKind() throws IOException {
        Path file = folder.resolve("D.JSONL.GZ");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
            out.write("{\"text\": \"a\"}".getBytes());
        }
        assertEquals("D-1", Dataset.read(file).records().getFirst().id());
    }

    @Test
    void aGzipFileCutInItsHeaderSaysSo() throws IOException {
        Path file = Files.write(folder.resolve("c.txt.gz"), new byte[] {0x1f, (byte) 0x8b, 8});
        assertEquals(file + ": not a whole gzip file (it ends too early); check it with gzip -t", failure(file));
    }

    @Test
    void whatIsNoJsonIsToldInOurWords() throws IOException {
        refused("{\"text\": \"a\", \"score\": NaN}", "broken JSON: NaN is no JSON value, write null (column 27)");
        refused("{\"text\": -Infinity}", "broken JSON: -Infinity is no JSON value, write null (column 19)");
        refused("[{\"text\": \"a\"}]", "not a JSON object but an array" + FORM);
        refused("[", "the line only begins an array" + FORM + "; make lines of one large array with: jq -c '.[]'");
        refused("{\"text\": \"a\"} {\"text\": \"b\"}",
                "broken JSON: more stands behind the first value (column 15); a line is one object");
        refused("{\"text\": \"a\"},", "broken JSON: unexpected , (column 14)");
        refused("{\"text\": \"a", "broken JSON: the line ends before its object does; a record is one whole line");
        refused("{\"text\": \"a\", \"text\": \"b\"}", "broken JSON: the key \"text\" is there twice (column 21)");
        refused("{'text': 'a'}", "broken JSON: unexpected ' (column 2)");
        refused("{\"text\": \"a\tb\"}", "broken JSON: unexpected control character \\u0009, in a text write it so (column 12)");
        refused("{\"id\": 1.0, \"text\": \"a\"}",
                "\"id\" is a number with a point or an exponent; write a whole number such as 1, or a string");
        refused("{\"id\": 1e400, \"text\": \"a\"}",
                "\"id\" is a number with a point or an exponent; write a whole number such as 1, or a string");
    }

    private void refused(String line, String what) throws IOException {
        Path file = Files.writeString(folder.resolve("d.jsonl"), line + "\n");
        assertEquals(file + ":1: " + what, failure(file));
    }

    private static String failure(Path file) {
        return assertThrows(BadInputException.class, () -> Dataset.read(file)).getMessage();
    }
}
