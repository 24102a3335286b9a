/*
 * Overwrites what is about to be freed: a deleted file's blocks keep its bytes until something else is written there, and
 * gradients, moments and texts give records away. Zeros go over the same blocks and to the disk before the name goes. A
 * file with a second name (hard link) is left to that one. What this does not reach: copies that copy-on-write file
 * systems, snapshots and the spare cells of flash keep.
 */
package dev.lethe.base;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;

/** Deleting and replacing files that leave nothing behind. Stateless; an interrupt of the thread is not heeded. */
public final class Shred {
    /** Ends the second name of a file that is being replaced: a part's, as PrivateFiles knows and clears leftovers. */
    private static final String OLD = ".part-0";
    private static final int BLOCK = 1 << 20;

    private Shred() {}

    /**
     * Overwrites and deletes a file; nothing happens when it is not there. A symbolic link is deleted, not followed; an empty
     * file, such as a held lock, is not opened.
     */
    public static void file(Path file) throws IOException {
        if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS) && links(file) == 1 && Files.size(file) > 0)
            try (RandomAccessFile bytes = new RandomAccessFile(file.toFile(), "rw")) {
                zero(bytes, 0);
            } catch (IOException e) {
                System.getLogger("dev.lethe.base").log(System.Logger.Level.WARNING,
                        file + ": is deleted, but could not be overwritten before", e);
            }
        Files.deleteIfExists(file);
    }

    /** Puts `fresh` in the place of `file` by a rename and shreds what was there; repeating finishes what a kill cut off. */
    public static void replace(Path fresh, Path file) throws IOException {
        Path old = file.resolveSibling(file.getFileName() + OLD);
        file(old);
        try {
            Files.createLink(old, file);
        } catch (IOException | UnsupportedOperationException e) {
            old = null; // nothing there, or a file system without links: then its blocks are only freed
        }
        Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        if (old == null) return;
        PrivateFiles.syncFolder(file.toAbsolutePath().getParent()); // or a power cut brings the name back, with zeros
        file(old);
    }

    /** Overwrites the bytes of a file behind `from` and cuts them off. */
    public static void tail(Path file, long from) throws IOException {
        try (RandomAccessFile bytes = new RandomAccessFile(file.toFile(), "rw")) {
            if (bytes.length() <= from) return;
            zero(bytes, from);
            bytes.setLength(from);
            bytes.getFD().sync();
        }
    }

    /** How many names a file has; 0 when the platform does not say, and then nothing is overwritten. */
    public static int links(Path file) throws IOException {
        try {
            return (Integer) Files.getAttribute(file, "unix:nlink", LinkOption.NOFOLLOW_LINKS);
        } catch (UnsupportedOperationException | IllegalArgumentException notUnix) {
            return 0;
        }
    }

    /** Blocks of zeros are left alone: room that was only allocated stays unwritten. */
    private static void zero(RandomAccessFile file, long from) throws IOException {
        byte[] zeros = new byte[BLOCK];
        byte[] block = new byte[BLOCK];
        long end = file.length();
        boolean wrote = false;
        for (long at = from; at < end; at += BLOCK) {
            int size = (int) Math.min(BLOCK, end - at);
            file.seek(at);
            file.readFully(block, 0, size);
            if (Arrays.equals(block, 0, size, zeros, 0, size)) continue;
            file.seek(at);
            file.write(zeros, 0, size);
            wrote = true;
        }
        if (wrote) file.getFD().sync();
    }
}
