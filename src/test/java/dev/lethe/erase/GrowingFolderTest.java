package dev.lethe.erase;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.results.EraseListener;
import dev.lethe.results.EraseStep;
import dev.lethe.run.RunFolder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Where a new run grows: beside OUT, in a folder that is nobody else's, and OUT is whoever was there first. */
class GrowingFolderTest extends LineageFixture {
    @Test
    void aRealRunIsNotTakenForWhatAKilledErasureLeft() {
        String alice = person(1);
        erase(a, person(0), "x.erasing");
        assertThrows(BadInputException.class, () -> erase(a, alice, "x"));
        RunFolder.open(folder.resolve("x.erasing"));
    }

    @Test
    void twoRequestsNeverMix() throws Exception {
        String dave = person(0);
        String alice = person(1);
        List<String> refusals = new ArrayList<>();
        erase(a, dave, folder.resolve("b"), new EraseListener() {
            @Override
            public void step(EraseStep step, double target) {
                if (step.index() == 1) {
                    for (String out : List.of("b", "c")) {
                        refusals.add(assertThrows(BadInputException.class, () -> erase(a, alice, out)).getMessage());
                    }
                }
            }
        });
        assertEquals(2, refusals.size());
        refusals.forEach(message -> assertTrue(message.contains("another training or erasure is at work in it"), message));
        assertGone(dave, a, folder.resolve("b"));
        assertEquals(3, live(a, alice));
        assertNothingBut("a", "b", "people.jsonl", "tokenizer");
    }

    @Test
    void aFolderOfTheUsersIsNeverRemoved() throws IOException {
        Path mine = Files.createDirectory(folder.resolve("b.erasing"));
        Files.writeString(mine.resolve("thesis.txt"), "years of work");
        String message = assertThrows(BadInputException.class, () -> erase(a, person(0), "b")).getMessage();
        assertTrue(message.startsWith(mine + ": is in the way, and no erasure made it"), message);
        assertEquals("years of work", Files.readString(mine.resolve("thesis.txt")));
        assertEquals(3, live(a, person(0)));
    }

    /** OUT was free when the erasure began; whoever writes there before it ends keeps what he wrote. */
    @Test
    void whatCameIntoOutMeanwhileStays() throws IOException {
        Path out = folder.resolve("b");
        EraseListener late = new EraseListener() {
            @Override
            public void stage(String name) {
                if (name.startsWith("writing")) {
                    try {
                        Files.writeString(Files.createDirectory(out).resolve("thesis.txt"), "years of work");
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                }
            }
        };
        String message = assertThrows(BadInputException.class, () -> erase(a, person(0), out, late)).getMessage();
        assertTrue(message.startsWith(out + ": is not empty"), message);
        assertEquals("years of work", Files.readString(out.resolve("thesis.txt")));
        assertEquals(3, live(a, person(0)));
        assertNothingBut("a", "b", "people.jsonl", "tokenizer");
    }
}
