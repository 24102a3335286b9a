package dev.lethe.base;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A lock is one holder's, and being asked for by another of the same process does not loosen it for other processes. */
class LockFileTest {
    private static final Path LOCKS = Path.of("/proc/locks"); // what the kernel knows; Linux only

    @TempDir
    Path folder;

    @Test
    void oneHolderAtATime() throws IOException {
        Path file = folder.resolve("lock");
        try (LockFile held = LockFile.take(file, "me")) {
            assertNull(LockFile.take(file, "you"));
            assertEquals("me", LockFile.holder(file));
        }
        assertEquals("", Files.readString(file));
        try (LockFile held = LockFile.take(file, "")) {
            assertNotNull(held);
            held.close();
        }
    }

    @Test
    void askingAgainInThisProcessGivesNothingUp() throws IOException {
        assumeTrue(Files.isReadable(LOCKS));
        Path file = folder.resolve("lock");
        try (LockFile held = LockFile.take(file, "me")) {
            String inode = ":" + Files.getAttribute(file, "unix:ino") + " ";
            assumeTrue(Files.readString(LOCKS).contains(inode), "this file system says nothing of locks");
            assertNull(LockFile.take(file, "you"));
            LockFile.holder(file);
            Path moved = Files.move(file, folder.resolve("renamed")); // as OUT.erasing becomes OUT
            assertNull(LockFile.take(moved, "you"));
            assertTrue(Files.readString(LOCKS).contains(inode));
        }
    }
}
