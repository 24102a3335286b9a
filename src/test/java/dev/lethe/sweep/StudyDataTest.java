package dev.lethe.sweep;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StudyDataTest {
    @Test
    void wrongAnswersOfEveryFile(@TempDir Path folder) throws IOException {
        Path first = Files.writeString(folder.resolve("a.jsonl"), "{\"id\": 1}\n{\"id\": 2}"); // as editors leave a last line
        Path second = folder.resolve("b.jsonl.gz");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(second))) {
            out.write("{\"id\": 3}\n".getBytes(StandardCharsets.UTF_8));
        }
        assertEquals(first, StudyData.together(List.of(first), folder.resolve("both.jsonl")));
        assertEquals("{\"id\": 1}\n{\"id\": 2}\n{\"id\": 3}\n",
                Files.readString(StudyData.together(List.of(first, second), folder.resolve("both.jsonl"))));
    }
}
