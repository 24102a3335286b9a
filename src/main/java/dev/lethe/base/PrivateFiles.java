/*
 * The only place that makes files and folders of a run, ledger, report or study: for their owner alone (0600 and 0700,
 * whatever the umask; a file system without such modes is used as it is), never through a symbolic link, and whole or
 * absent after a kill: written under a name nobody can guess beside its place, synced, renamed onto it. What a killed writer
 * left beside a file goes when the file is next written. What is replaced or removed is overwritten (Shred): a run's files
 * know records. Folders that are there keep their mode.
 */
package dev.lethe.base;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystems;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashSet;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Owner-only files. Stateless; two threads must not write the same path at once. */
public final class PrivateFiles {
    private static final String PART = ".part-";
    private static final Pattern LEFTOVER = Pattern.compile(".+\\.part-\\d+");
    private static final FileAttribute<?>[] FILE = owner("rw-------");
    private static final FileAttribute<?>[] FOLDER = owner("rwx------");

    private PrivateFiles() { }

    /** Fills a new folder. */
    @FunctionalInterface
    public interface Fill {
        void into(Path folder) throws IOException;
    }

    /** Writes a file's bytes. */
    @FunctionalInterface
    public interface Body {
        void into(OutputStream out) throws IOException;
    }

    private static FileAttribute<?>[] owner(String mode) {
        return FileSystems.getDefault().supportedFileAttributeViews().contains("posix")
                ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(mode))}
                : new FileAttribute<?>[0];
    }

    /** Replaces a file by what {@code body} writes, or makes it; by a plain stream, which an interrupt cannot close. */
    public static void write(Path file, Body body) throws IOException {
        Path part = part(file);
        try {
            try (OutputStream out = Files.newOutputStream(part, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS)) {
                body.into(out);
            }
            sync(part);
            replace(part, file);
        } finally {
            Shred.file(part);
        }
    }

    /** Replaces a file by these bytes, or makes it. */
    public static void write(Path file, byte[] bytes) throws IOException {
        write(file, out -> out.write(bytes));
    }

    /** Replaces a file by this text in UTF-8, or makes it. */
    public static void write(Path file, String text) throws IOException {
        write(file, text.getBytes(StandardCharsets.UTF_8));
    }

    /** Makes a folder, filled by {@code fill} under another name first; a folder of that name is removed before. */
    public static void folder(Path folder, Fill fill) throws IOException {
        Path part = partFolder(folder);
        try {
            fill.into(part);
            syncTree(part);
            deleteTree(folder);
            replace(part, folder);
        } finally {
            deleteTree(part);
        }
    }

    /** An empty file beside {@code file}, to be written and then put in its place by {@link #replace}. */
    public static Path part(Path file) throws IOException {
        return Files.createTempFile(withoutLeftovers(file), file.getFileName() + PART, "", FILE);
    }

    /** An empty folder beside {@code folder}. */
    public static Path partFolder(Path folder) throws IOException {
        return Files.createTempDirectory(withoutLeftovers(folder), folder.getFileName() + PART, FOLDER);
    }

    /** Gives a part its name, durably; a file or link of that name gives way and is overwritten. */
    public static void replace(Path part, Path file) throws IOException {
        Shred.replace(part, file);
        syncFolder(file.toAbsolutePath().getParent());
    }

    /** The folder that a file lies in, rid of what killed writers of that file left there. */
    private static Path withoutLeftovers(Path file) throws IOException {
        Path folder = file.toAbsolutePath().getParent();
        deleteLeftovers(folder, file.getFileName() + PART);
        return folder;
    }

    /** Removes what killed writers left in a folder beside files of any name. Nobody must be writing there. */
    public static void deleteLeftovers(Path folder) throws IOException {
        deleteLeftovers(folder, "");
    }

    private static void deleteLeftovers(Path folder, String prefix) throws IOException {
        for (Path path : Io.list(folder)) {
            if (path.getFileName().toString().startsWith(prefix) && isLeftover(path)) {
                deleteTree(path);
            }
        }
    }

    /** Whether this is what a writer has beside a file until it is whole: a leftover when no writer is at work. */
    public static boolean isLeftover(Path path) {
        return LEFTOVER.matcher(path.getFileName().toString()).matches();
    }

    /** A new file, opened to read and write. @throws FileAlreadyExistsException when there is anything of that name */
    public static FileChannel create(Path file) throws IOException {
        return channel(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE);
    }

    /** A file that is there and no link, opened to read and write. */
    public static FileChannel open(Path file) throws IOException {
        return channel(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
    }

    /** A file to lock, made if need be; what it holds stays. */
    public static FileChannel lockFile(Path file) throws IOException {
        return channel(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    }

    private static FileChannel channel(Path file, StandardOpenOption... options) throws IOException {
        Set<OpenOption> all = new HashSet<>(Set.of(options));
        all.add(LinkOption.NOFOLLOW_LINKS);
        return FileChannel.open(file, all, FILE);
    }

    /** A stream to the end of a log, which is made if need be. {@link #sync} makes durable what was written. */
    public static OutputStream append(Path file) throws IOException {
        try {
            Files.createFile(file, FILE);
        } catch (FileAlreadyExistsException e) {
            // then it goes on
        }
        return Files.newOutputStream(file, StandardOpenOption.APPEND, LinkOption.NOFOLLOW_LINKS);
    }

    /** Makes a folder of which the one above is there. @throws FileAlreadyExistsException when there is anything of that name */
    public static void newFolder(Path folder) throws IOException {
        Files.createDirectory(folder, FOLDER);
    }

    /** A new folder with a name that begins so and cannot be guessed. */
    public static Path tempFolder(Path above, String name) throws IOException {
        return Files.createTempDirectory(above, name, FOLDER);
    }

    /** Makes a folder and those above it that are missing. */
    public static Path makeFolder(Path folder) throws IOException {
        return Files.createDirectories(folder, FOLDER);
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

    private static void syncTree(Path root) throws IOException {
        try (Stream<Path> paths = Files.walk(root)) {
            for (Path path : (Iterable<Path>) paths::iterator) {
                if (Files.isDirectory(path)) {
                    syncFolder(path);
                } else {
                    sync(path);
                }
            }
        }
    }

    /** Makes the names in a folder durable; a platform that cannot open or sync folders skips it. */
    public static void syncFolder(Path folder) {
        try {
            sync(folder);
        } catch (IOException e) {
            System.getLogger("dev.lethe.base").log(System.Logger.Level.DEBUG, "cannot sync folder " + folder, e);
        }
    }

    /** Makes a file's bytes durable, by a channel, which an interrupt closes: the interrupt is set aside and restored. */
    public static void sync(Path path) throws IOException {
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
}
