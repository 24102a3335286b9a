package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
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

    /** What is replaced or removed, kept here by a mapping, is zeros; a file that has another name is not. */
    @Test
    void whatIsReplacedOrRemovedIsOverwritten() throws IOException {
        Path replaced = folder.resolve("a.txt");
        Path removed = folder.resolve("b/c/d.txt");
        Path shared = folder.resolve("b/shared.txt");
        Files.createDirectories(removed.getParent());
        for (Path file : List.of(replaced, removed, shared)) {
            Files.writeString(file, "a secret");
        }
        Files.createLink(folder.resolve("other.txt"), shared);
        Files.createSymbolicLink(folder.resolve("b/link.txt"), folder.resolve("other.txt"));
        try (Arena arena = Arena.ofConfined(); FileChannel first = FileChannel.open(replaced);
                FileChannel second = FileChannel.open(removed)) {
            MemorySegment replacedBytes = first.map(FileChannel.MapMode.READ_ONLY, 0, 8, arena);
            MemorySegment removedBytes = second.map(FileChannel.MapMode.READ_ONLY, 0, 8, arena);
            AtomicFiles.write(replaced, "no secret any more");
            AtomicFiles.deleteTree(folder.resolve("b"));
            assertArrayEquals(new byte[8], replacedBytes.toArray(ValueLayout.JAVA_BYTE));
            assertArrayEquals(new byte[8], removedBytes.toArray(ValueLayout.JAVA_BYTE));
        }
        assertEquals("a secret", Files.readString(folder.resolve("other.txt")));
        assertEquals(List.of(replaced, folder.resolve("other.txt")), list());
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
