/*
 * The erasure's own log, one JSON object a line, each forced to disk before the next move, so that a kill leaves a readable
 * account. Holds ids and numbers, never a record's text.
 */
package dev.lethe.unlearn;

import dev.lethe.train.RunJson;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

final class Journal implements AutoCloseable {
    static final String STEPS = "steps.jsonl";
    static final String ERASURE = "erasure.json";

    private final Path file;
    private final FileOutputStream out;

    Journal(Path folder) {
        try {
            Files.createDirectories(folder);
            file = folder.resolve(STEPS);
            out = new FileOutputStream(file.toFile(), true);
        } catch (IOException e) {
            throw new UncheckedIOException(folder + ": the journal cannot be written: " + e.getMessage(), e);
        }
    }

    void write(EraseStep step) {
        try {
            out.write((RunJson.line(step) + "\n").getBytes(StandardCharsets.UTF_8));
            out.getFD().sync();
        } catch (IOException e) {
            throw new UncheckedIOException(file + ": " + e.getMessage(), e);
        }
    }

    @Override
    public void close() {
        try {
            out.close();
        } catch (IOException e) {
            throw new UncheckedIOException(file + ": " + e.getMessage(), e);
        }
    }
}
