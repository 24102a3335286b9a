package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFilesTest {
    @TempDir
    Path folder;

    @Test
    void replacesAFileAndLeavesNothingBeside() throws IOException {
        Path file = folder.resolve("a.txt");
        AtomicFiles.write(file, "one");
        AtomicFiles.write(file, "zwei ü");
        assertEquals("zwei ü", Files.readString(file));
        assertEquals(List.of(file), list());
    }

    @Test
    void writesThroughAnInterrupt() throws IOException {
        Thread.currentThread().interrupt();
        AtomicFiles.write(folder.resolve("a.txt"), "one");
        AtomicFiles.folder(folder.resolve("b"), fresh -> AtomicFiles.write(fresh.resolve("c"), "two"));
        assertTrue(Thread.interrupted(), "the interrupt is kept");
        assertEquals("two", Files.readString(folder.resolve("b/c")));
    }

    @Test
    void aFolderThatFailsDoesNotAppear() throws IOException {
        Path b = folder.resolve("b");
        assertThrows(IOException.class, () -> AtomicFiles.folder(b, fresh -> {
            Files.writeString(fresh.resolve("half"), "x");
            throw new IOException("no more");
        }));
        assertFalse(Files.exists(b));
        AtomicFiles.folder(b, fresh -> Files.writeString(fresh.resolve("whole"), "y"));
        assertEquals(List.of(b), list());
        assertFalse(Files.exists(b.resolve("half")));
    }

    @Test
    void deletesTreesButNotWhatLinksPointTo() throws IOException {
        Path kept = Files.createDirectory(folder.resolve("kept"));
        Files.writeString(kept.resolve("file"), "x");
        Path tree = Files.createDirectories(folder.resolve("tree/deep"));
        Files.createSymbolicLink(tree.resolve("link"), kept);
        AtomicFiles.deleteTree(folder.resolve("tree"));
        AtomicFiles.deleteTree(folder.resolve("never"));
        assertEquals(List.of(kept), list());
        assertTrue(Files.exists(kept.resolve("file")));
    }

    private List<Path> list() throws IOException {
        try (Stream<Path> inside = Files.list(folder)) {
            return inside.sorted().toList();
        }
    }
}
