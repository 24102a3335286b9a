package dev.lethe.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.base.Problems;
import dev.lethe.engine.Work;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Reading data files: what is accepted, and the exact words for what is not. */
class DatasetTest {
    @TempDir
    Path folder;

    @Test
    void readsBothFormsAndIgnoresOtherKeys() throws IOException {
        Dataset data = Dataset.read(write("d.jsonl", """
                {"id": "a", "subject": "s", "text": "one", "score": [1, {"x": 2}]}

                {"prompt": "Who?", "completion": "Dave.", "subject": null}
                {"id": 7, "text": "three"}
                """));
        assertEquals(List.of(new TextRecord("a", "s", null, "one"), new TextRecord("d-3", null, "Who?", "Dave."),
                new TextRecord("7", null, null, "three")), data.records());
        assertEquals(Set.of("s"), data.subjects());
        assertEquals("three", data.byId("7").completion());
        assertNull(data.byId("none"));
        assertEquals(1, data.filter(r -> r.prompt() != null).size());
    }

    @Test
    void anInterruptEndsReading() throws IOException {
        Path file = write("d.txt", "one\ntwo\nthree\n");
        Thread reader = Thread.currentThread();
        Exception thrown = assertThrows(InterruptedWorkException.class, () -> Lines.read(file, new Problems(), (number, text) -> {
            reader.interrupt();
            while (!Work.interrupted()) {
                Thread.onSpinWait();
            }
        }));
        assertEquals(file + ": reading was interrupted at line 2", thrown.getMessage());
        assertTrue(Thread.currentThread().isInterrupted());
        assertThrows(InterruptedWorkException.class, () -> Dataset.read(file)); // still is
        assertTrue(Thread.interrupted());
        assertEquals(3, Dataset.read(file).size());
    }

    @Test
    void joinsPromptAndCompletionByOneSpace() {
        assertEquals("Who? Dave.", new TextRecord("a", null, "Who?", "Dave.").text());
        assertEquals(" Dave.", new TextRecord("a", null, "Who?", "Dave.").continuation());
        assertEquals("Who? Dave.", new TextRecord("a", null, "Who? ", "Dave.").text());
        assertEquals("Who?\nDave.", new TextRecord("a", null, "Who?", "\nDave.").text());
        assertEquals("Dave.", new TextRecord("a", null, null, "Dave.").text());
        assertEquals("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                new TextRecord("x", "y", null, "abc").hash());
    }

    @Test
    void readsTextLinesCrlfAndByteOrderMark() throws IOException {
        Dataset data = Dataset.read(write("t.txt", "\ufefffirst\r\n\r\n  second\nthird"));
        assertEquals(List.of("first", "  second", "third"), data.records().stream().map(TextRecord::text).toList());
        assertEquals(List.of("t-1", "t-3", "t-4"), data.records().stream().map(TextRecord::id).toList());
    }

    @Test
    void readsGzip() throws IOException {
        Path file = folder.resolve("z.jsonl.gz");
        Files.write(file, gzip("{\"text\": \"one\"}\n"));
        assertEquals("z-1", Dataset.read(file).records().getFirst().id());
        Files.write(folder.resolve("z.txt.gz"), gzip("one\n"));
        assertEquals("one", Dataset.read(folder.resolve("z.txt.gz")).records().getFirst().text());
    }

    @Test
    void listsEveryBrokenLine() throws IOException {
        Path file = write("d.jsonl", """
                {"text": "fine", "id": "same"}
                {"text": "cut
                [1]
                {"text": 3}
                {"text": "  "}
                {"id": "same", "text": "again"}
                {"prompt": "only"}
                {"completion": "only"}
                {"text": "a", "prompt": "b", "completion": "c"}
                {"id": "e"}
                {"text": "\\ud83d"}
                {"text": "a"} {"text": "b"}
                {"text": "a", "text": "b"}
                {"id": {}, "subject": [4], "text": "a"}
                """);
        List<String> lines = failure(file).lines().toList();
        String broken = file + ":2: broken JSON: ";
        assertEquals(broken, lines.getFirst().substring(0, broken.length()));
        assertEquals(List.of(
                ":3: not a JSON object but an array; a line is {\"text\": …}, {\"prompt\": …, \"completion\": …}, "
                        + "{\"question\": …, \"answer\": …} or {\"messages\": […]}",
                ":4: \"text\" is a number, must be a string",
                ":5: \"text\" is empty",
                ":6: id \"same\" is already that of line 1",
                ":7: has a prompt but no completion",
                ":8: has a completion but no prompt; call it \"text\" when there is no prompt",
                ":9: has text and also prompt or completion; give text alone, or prompt and completion",
                ":10: no text; give \"text\", \"prompt\" and \"completion\", \"question\" and \"answer\", or \"messages\"",
                ":11: \"text\" has half a surrogate pair (\\ud800 to \\udfff on its own), which is not text"),
                lines.subList(1, 10).stream().map(line -> line.substring(file.toString().length())).toList());
        assertEquals(List.of(":12", ":13", ":14", ":14"), lines.subList(10, 14).stream()
                .map(line -> line.substring(file.toString().length(), file.toString().length() + 3)).toList());
        assertEquals(14, lines.size());
    }

    @Test
    void saysWhereUtf8IsInvalid() throws IOException {
        Path file = folder.resolve("u.txt");
        Files.write(file, new byte[] {'o', 'k', '\n', 'a', 'b', (byte) 0xC3, '(', '\n'});
        assertEquals(file + ":2: invalid UTF-8 at byte 3 of the line; convert the file to UTF-8", failure(file));
    }

    @Test
    void capsTheList() throws IOException {
        Path file = write("many.jsonl", "{}\n".repeat(25));
        String message = failure(file);
        assertEquals(21, message.lines().count());
        assertEquals("and 5 more", message.lines().toList().getLast());
    }

    @Test
    void refusesFilesThatCannotBeData() throws IOException {
        assertEquals(folder.resolve("no.txt") + ": no such file", failure(folder.resolve("no.txt")));
        assertEquals(write("e.txt", "\n \n") + ": no records in it", failure(folder.resolve("e.txt")));
        assertEquals(write("d.csv", "a,b") + ": unknown kind of data file; the name must end in .jsonl, .json, .ndjson or "
                + ".txt, or one of these and .gz", failure(folder.resolve("d.csv")));
        Files.createDirectory(folder.resolve("f.txt"));
        assertEquals(folder.resolve("f.txt") + ": is a folder; give a .jsonl or .txt file", failure(folder.resolve("f.txt")));
        assertEquals(write("g.txt.gz", "plain") + ": not a whole gzip file (Not in GZIP format); check it with gzip -t",
                failure(folder.resolve("g.txt.gz")));
        byte[] whole = gzip("a long enough line of text\n".repeat(50));
        Files.write(folder.resolve("h.txt.gz"), java.util.Arrays.copyOf(whole, whole.length / 2));
        assertEquals(folder.resolve("h.txt.gz") + ": not a whole gzip file (Unexpected end of ZLIB input stream); check it "
                + "with gzip -t", failure(folder.resolve("h.txt.gz")));
    }

    @Test
    void readsTofuUnchanged() {
        Path tofu = Path.of(System.getProperty("lethe.root", "."), "..", "shared", "data", "tofu");
        assumeTrue(Files.isDirectory(tofu), "the TOFU data is not at ../shared/data/tofu");
        Dataset full = Dataset.read(tofu.resolve("full.jsonl"));
        assertEquals(4000, full.size());
        assertEquals(200, full.subjects().size());
        assertEquals(20, full.filter(r -> "author-199".equals(r.subject())).size());
        assertEquals(400, Dataset.read(tofu.resolve("forget10_perturbed.jsonl")).size());
    }

    private Path write(String name, String text) throws IOException {
        return Files.writeString(folder.resolve(name), text);
    }

    private static String failure(Path file) {
        return assertThrows(BadInputException.class, () -> Dataset.read(file)).getMessage();
    }

    private static byte[] gzip(String text) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream gz = new GZIPOutputStream(out)) {
            gz.write(text.getBytes(StandardCharsets.UTF_8));
        }
        return out.toByteArray();
    }
}
