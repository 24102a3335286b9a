package dev.lethe.sweep;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StudyDataTest {
    @Test
    void wrongAnswersOfEveryFile(@TempDir Path folder) throws IOException {
        Path first = Files.writeString(folder.resolve("a.jsonl"), "{\"id\": 1}\n{\"id\": 2}"); // as editors leave a last line
        Path second = Files.writeString(folder.resolve("b.jsonl"), "{\"id\": 3}\n");
        assertEquals(first, StudyData.together(List.of(first), folder.resolve("both.jsonl")));
        assertEquals("{\"id\": 1}\n{\"id\": 2}\n{\"id\": 3}\n",
                Files.readString(StudyData.together(List.of(first, second), folder.resolve("both.jsonl"))));
    }
}
