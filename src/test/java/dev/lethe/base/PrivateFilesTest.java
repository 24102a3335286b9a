package dev.lethe.base;

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
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

public class PrivateFilesTest {
    @TempDir
    Path folder;

    @Test
    void replacesAFileAndLeavesNothingBeside() throws IOException {
        Path file = folder.resolve("a.txt");
        PrivateFiles.write(file, "one");
        PrivateFiles.write(file, "zwei ü");
        assertEquals("zwei ü", Files.readString(file));
        assertEquals(List.of(file), list());
    }

    @Test
    void writesThroughAnInterrupt() throws IOException {
        Thread.currentThread().interrupt();
        PrivateFiles.write(folder.resolve("a.txt"), "one");
        PrivateFiles.folder(folder.resolve("b"), fresh -> PrivateFiles.write(fresh.resolve("c"), "two"));
        assertTrue(Thread.interrupted(), "the interrupt is kept");
        assertEquals("two", Files.readString(folder.resolve("b/c")));
    }

    @Test
    void aFolderThatFailsDoesNotAppear() throws IOException {
        Path b = folder.resolve("b");
        assertThrows(IOException.class, () -> PrivateFiles.folder(b, fresh -> {
            Files.writeString(fresh.resolve("half"), "x");
            throw new IOException("no more");
        }));
        assertFalse(Files.exists(b));
        PrivateFiles.folder(b, fresh -> Files.writeString(fresh.resolve("whole"), "y"));
        assertEquals(List.of(b), list());
        assertFalse(Files.exists(b.resolve("half")));
    }

    @Test
    void deletesTreesButNotWhatLinksPointTo() throws IOException {
        Path kept = Files.createDirectory(folder.resolve("kept"));
        Files.writeString(kept.resolve("file"), "x");
        Path tree = Files.createDirectories(folder.resolve("tree/deep"));
        Files.createSymbolicLink(tree.resolve("link"), kept);
        PrivateFiles.deleteTree(folder.resolve("tree"));
        PrivateFiles.deleteTree(folder.resolve("never"));
        assertEquals(List.of(kept), list());
        assertTrue(Files.exists(kept.resolve("file")));
    }

    @Test
    void onlyTheOwnerMayReadOrWrite() throws IOException {
        PrivateFiles.write(folder.resolve("whole"), "x");
        PrivateFiles.folder(folder.resolve("folder"), fresh -> PrivateFiles.write(fresh.resolve("inside"), "x"));
        PrivateFiles.makeFolder(folder.resolve("a/b"));
        PrivateFiles.create(folder.resolve("a/new")).close();
        PrivateFiles.lockFile(folder.resolve("a/lock")).close();
        PrivateFiles.append(folder.resolve("a/log")).close();
        PrivateFiles.part(folder.resolve("a/part"));
        PrivateFiles.partFolder(folder.resolve("a/parts"));
        assertPrivate(folder);
    }

    /** A folder and everything in it are their owner's alone. */
    public static void assertPrivate(Path folder) throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            List<String> open = new ArrayList<>();
            for (Path path : all.toList()) {
                String mode = PosixFilePermissions.toString(Files.getPosixFilePermissions(path, LinkOption.NOFOLLOW_LINKS));
                if (!mode.equals(Files.isDirectory(path) ? "rwx------" : "rw-------")) {
                    open.add(mode + " " + folder.relativize(path));
                }
            }
            assertEquals(List.of(), open);
        }
    }

    @Test
    void nothingIsWrittenThroughALink() throws IOException {
        Path foreign = Files.writeString(folder.resolve("foreign"), "theirs");
        Path link = Files.createSymbolicLink(folder.resolve("link"), foreign);
        assertThrows(IOException.class, () -> PrivateFiles.lockFile(link).close());
        assertThrows(IOException.class, () -> PrivateFiles.open(link).close());
        assertThrows(IOException.class, () -> PrivateFiles.append(link).close());
        assertThrows(IOException.class, () -> PrivateFiles.create(link).close());
        assertThrows(IOException.class, () -> FileSpace.writeZeros(link, 0, 100));
        FileSpace.allocate(foreign, 0, 6);
        assertThrows(IOException.class, () -> FileSpace.allocate(link, 0, 100));
        PrivateFiles.write(link, "mine");
        assertFalse(Files.isSymbolicLink(link), "the link gave way");
        assertEquals("theirs", Files.readString(foreign));
    }

    @Test
    void whatAKilledWriterLeftGoesWithTheNextWrite() throws IOException {
        Path left = PrivateFiles.part(folder.resolve("a"));
        Path leftFolder = PrivateFiles.partFolder(folder.resolve("a"));
        Files.writeString(leftFolder.resolve("half"), "x");
        Path other = PrivateFiles.part(folder.resolve("ab"));
        assertTrue(PrivateFiles.isLeftover(left) && PrivateFiles.isLeftover(leftFolder));
        PrivateFiles.write(folder.resolve("a"), "whole");
        assertEquals(List.of(folder.resolve("a"), other), list());
        PrivateFiles.deleteLeftovers(folder);
        assertEquals(List.of(folder.resolve("a")), list());
    }

    private List<Path> list() throws IOException {
        try (Stream<Path> inside = Files.list(folder)) {
            return inside.sorted().toList();
        }
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
            PrivateFiles.write(replaced, "no secret any more");
            PrivateFiles.deleteTree(folder.resolve("b"));
            assertArrayEquals(new byte[8], replacedBytes.toArray(ValueLayout.JAVA_BYTE));
            assertArrayEquals(new byte[8], removedBytes.toArray(ValueLayout.JAVA_BYTE));
        }
        assertEquals("a secret", Files.readString(folder.resolve("other.txt")));
        assertEquals(List.of(replaced, folder.resolve("other.txt")), list());
    }
}
