package dev.lethe.report;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemLoopException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFileAttributeView;

/**
 * A file that a user names for a result. A link is followed to the file it means, which is replaced whole, so that a
 * reader never sees half of it, and keeps its permissions; a new one is its owner's alone, for results tell of records.
 * A device or a FIFO is written into.
 */
public record OutputFile(Path path) {
    private static final int LONGEST_CHAIN = 40; // of links, as Linux has it

    /** @throws BadInputException for a folder: before a command works for hours, not after */
    public OutputFile {
        if (Files.isDirectory(path)) {
            throw new BadInputException(path + ": is a folder; name a file");
        }
    }

    public static OutputFile of(String path) {
        return new OutputFile(Path.of(path));
    }

    /** @throws BadInputException when it cannot be written; a regular file is then as it was */
    public void write(String text) {
        write(text.getBytes(StandardCharsets.UTF_8));
    }

    /** As {@link #write(String)}. */
    public void write(byte[] bytes) {
        Io.input(path + ": cannot be written", () -> {
            Path file = target();
            if (Files.exists(file) && !Files.isRegularFile(file) || isDescriptor(file)) {
                try (OutputStream out = new FileOutputStream(file.toFile())) {
                    out.write(bytes);
                }
            } else {
                replace(file, bytes);
            }
        });
    }

    /** What the path means, link by link: the file need not be there yet. */
    private Path target() throws IOException {
        Path file = path.toAbsolutePath();
        for (int links = 0; Files.isSymbolicLink(file) && !isDescriptor(file); links++) {
            if (links == LONGEST_CHAIN) {
                throw new FileSystemLoopException(path.toString());
            }
            file = file.resolveSibling(Files.readSymbolicLink(file));
        }
        return file;
    }

    /** /dev/stdout and its kind end in links of /proc that name no place: an open file of this process. */
    private static boolean isDescriptor(Path file) throws IOException {
        return Files.isSymbolicLink(file) && file.getParent().toRealPath().startsWith("/proc");
    }

    private static void replace(Path file, byte[] bytes) throws IOException {
        Path fresh = Files.createTempFile(file.getParent(), ".lethe-", ".part");
        try {
            try (FileOutputStream out = new FileOutputStream(fresh.toFile())) {
                out.write(bytes);
                out.getFD().sync();
            }
            if (Files.exists(file) && Files.getFileAttributeView(fresh, PosixFileAttributeView.class) != null) {
                Files.setPosixFilePermissions(fresh, Files.getPosixFilePermissions(file));
            }
            Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(fresh);
        }
    }
}
