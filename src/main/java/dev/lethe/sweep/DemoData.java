package dev.lethe.sweep;

import dev.lethe.base.BadInputException;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;

/** The invented people that come with Lethe, their tokenizer of 1,024 ids, and people never seen. */
public final class DemoData {
    /** Records to learn. */
    public static final String PEOPLE = "people.jsonl";
    /** Records of people that are never learned. */
    public static final String HELD_OUT = "held-out.jsonl";
    /** Lies in a folder of its own. */
    public static final String TOKENIZER = "tokenizer/tokenizer.json";

    private DemoData() { }

    /** Copies one of them into a folder, under its own name, in place of what is there; returns the file. */
    public static Path copy(String resource, Path folder) {
        Path file = folder.resolve(resource);
        try (InputStream in = DemoData.class.getResourceAsStream("/dev/lethe/demo/" + resource)) {
            PrivateFiles.makeFolder(file.getParent());
            PrivateFiles.write(file, in::transferTo);
            return file;
        } catch (IOException e) {
            throw new BadInputException(file + ": cannot be written: " + Reason.of(e, file), e);
        }
    }
}
