/*
 * Files that are either whole or absent after a kill: written beside their place, synced, then renamed onto it. Used for
 * everything a run keeps except its append-only logs. Plain streams, not channels, so that an interrupt of the calling
 * thread cannot close a file half-way. What is replaced or removed is overwritten first (Shred): a run's files know records.
 */
package dev.lethe.train;

import dev.lethe.engine.Shred;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.stream.Stream;

/** Whole-or-absent writes. Stateless; two threads must not write the same path at once. */
public final class AtomicFiles {
    private AtomicFiles() { }

    /** Fills a new folder. */
    @FunctionalInterface
    public interface Fill {
        void into(Path folder) throws IOException;
    }

    /** Replaces a file by these bytes, or makes it. */
    public static void write(Path file, byte[] bytes) throws IOException {
        Path fresh = sibling(file);
        try (FileOutputStream out = new FileOutputStream(fresh.toFile())) {
            out.write(bytes);
            out.getFD().sync();
        }
        Shred.replace(fresh, file);
        syncFolder(file.toAbsolutePath().getParent());
    }

    /** Replaces a file by this text in UTF-8, or makes it. */
    public static void write(Path file, String text) throws IOException {
        write(file, text.getBytes(StandardCharsets.UTF_8));
    }

    /** Makes a folder, filled by {@code fill} under another name first; a folder of that name is removed before. */
    public static void folder(Path folder, Fill fill) throws IOException {
        Path fresh = sibling(folder);
        deleteTree(fresh);
        Files.createDirectories(fresh);
        fill.into(fresh);
        syncTree(fresh);
        deleteTree(folder);
        Files.move(fresh, folder, StandardCopyOption.ATOMIC_MOVE);
        syncFolder(folder.toAbsolutePath().getParent());
    }

    /** Overwrites and removes a file or a folder with all it holds, if it is there. Links are not followed. */
    public static void deleteTree(Path root) throws IOException {
        if (!Files.exists(root, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        Files.walkFileTree(root, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Shred.file(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path folder, IOException failure) throws IOException {
                if (failure != null) {
                    throw failure;
                }
                Files.delete(folder);
                return FileVisitResult.CONTINUE;
            }
        });
    }

    /** Makes the names in a folder durable. */
    public static void syncFolder(Path folder) throws IOException {
        sync(folder);
    }

    private static void syncTree(Path root) throws IOException {
        try (Stream<Path> paths = Files.walk(root)) {
            for (Path path : (Iterable<Path>) paths::iterator) {
                sync(path);
            }
        }
    }

    /** fsync through a channel, which an interrupt closes: the interrupt is set aside and restored. */
    private static void sync(Path path) throws IOException {
        boolean interrupted = Thread.interrupted();
        try {
            while (true) {
                try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
                    channel.force(true);
                    return;
                } catch (ClosedByInterruptException e) {
                    interrupted |= Thread.interrupted();
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static Path sibling(Path path) {
        return path.resolveSibling(path.getFileName() + "-new");
    }
}
