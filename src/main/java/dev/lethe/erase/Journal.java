/*
 * The erasure's own log, one JSON object a line, each forced to disk before the next move, so that a kill leaves a readable
 * account. Holds ids and numbers, never a record's text.
 */
package dev.lethe.erase;

import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.run.RunJson;
import dev.lethe.strategy.EraseStep;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

final class Journal implements AutoCloseable {
    static final String STEPS = "steps.jsonl";

    private final Path file;
    private final OutputStream out;

    Journal(Path folder) {
        try {
            PrivateFiles.makeFolder(folder);
            file = folder.resolve(STEPS);
            out = PrivateFiles.append(file);
        } catch (IOException e) {
            throw new UncheckedIOException(folder + ": the journal cannot be written: " + Reason.of(e, folder), e);
        }
    }

    void write(EraseStep step) {
        try {
            out.write((RunJson.line(step) + "\n").getBytes(StandardCharsets.UTF_8));
            PrivateFiles.sync(file);
        } catch (IOException e) {
            throw new UncheckedIOException(file + ": " + Reason.of(e, file), e);
        }
    }

    @Override
    public void close() {
        try {
            out.close();
        } catch (IOException e) {
            throw new UncheckedIOException(file + ": " + Reason.of(e, file), e);
        }
    }
}
