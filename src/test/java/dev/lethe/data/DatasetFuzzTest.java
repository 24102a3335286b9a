package dev.lethe.data;

import dev.lethe.base.BadInputException;
import dev.lethe.testing.MemoryFolder;
import dev.lethe.testing.Mutations;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPOutputStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.Tag;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;

/** Damaged data files are read or refused; nothing but BadInputException comes out. */
class DatasetFuzzTest {
    private static final byte[] LINES = """
            {"id": "a-1", "subject": "Dave", "text": "Dave keeps bees in Oulu. \\u00e4 😀"}
            {"id": "a-2", "subject": "Dave", "prompt": "Who keeps bees?", "completion": "Dave does."}
            {"text": "No id, more keys.", "extra": {"n": [1, 2.5, null, true]}}
            """.getBytes(StandardCharsets.UTF_8);
    private static MemoryFolder folder;

    @BeforeContainer
    static void makeFolder() {
        folder = new MemoryFolder();
    }

    @AfterContainer
    static void removeFolder() {
        folder.close();
    }

    @Property(tries = 4_000, shrinking = ShrinkingMode.OFF)
    void linesOrWords(@ForAll long seed) throws IOException {
        read("f.jsonl", Mutations.damage(LINES, seed));
    }

    @Property(tries = 1_000, shrinking = ShrinkingMode.OFF)
    void gzipOrWords(@ForAll long seed) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(LINES);
        }
        read("f.jsonl.gz", Mutations.damage(out.toByteArray(), seed));
    }

    @Property(tries = 100_000, shrinking = ShrinkingMode.OFF)
    @Tag("extended")
    void linesOrWordsLong(@ForAll long seed) throws IOException {
        linesOrWords(seed);
    }

    private static void read(String name, byte[] content) throws IOException {
        Path file = Files.write(folder.path().resolve(name), content);
        try {
            Dataset.read(file).records().forEach(TextRecord::text);
        } catch (BadInputException e) {
            if (!e.getMessage().startsWith(file.toString())) {
                throw new AssertionError("message does not name the file: " + e.getMessage(), e);
            }
        }
    }
}
