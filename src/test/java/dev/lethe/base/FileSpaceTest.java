package dev.lethe.base;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Allocating grows a file with zeros and keeps what it holds, by the C library and by the fallback alike. */
class FileSpaceTest {
    private interface Way {
        void allocate(Path file, long offset, long bytes) throws IOException;
    }

    @TempDir
    Path folder;

    @Test
    void growsWithZerosAndKeepsTheRest() throws IOException {
        for (Way way : new Way[] {FileSpace::allocate, FileSpace::writeZeros}) {
            Path file = Files.write(folder.resolve("file"), new byte[] {1, 2, 3});
            way.allocate(file, 2, 3_000_000);
            byte[] expected = Arrays.copyOf(new byte[] {1, 2, 3}, 3_000_002);
            assertArrayEquals(expected, Files.readAllBytes(file));
            way.allocate(file, 0, 10);
            assertEquals(3_000_002, Files.size(file), "allocating inside changes nothing");
        }
    }

    @Test
    void tooMuchIsNoSpaceAndNothingIsABadArgument() throws IOException {
        Path file = Files.write(folder.resolve("file"), new byte[] {1});
        assertThrows(FileSpace.NoSpaceException.class, () -> FileSpace.allocate(file, 0, 1L << 60));
        assertThrows(IllegalArgumentException.class, () -> FileSpace.allocate(file, 0, 0));
        assertThrows(IllegalArgumentException.class, () -> FileSpace.allocate(file, -1, 1));
        assertThrows(NoSuchFileException.class, () -> FileSpace.allocate(folder.resolve("none"), 0, 1));
        assertEquals(1, Files.readAllBytes(file)[0]);
    }
}
