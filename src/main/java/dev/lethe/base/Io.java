package dev.lethe.base;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Work on files whose failure is told in one way: what was to be done with which place, then why it could not be, in {@link Reason}'s
 * words. What a body throws besides goes through as it is. Stateless, any thread.
 */
public final class Io {
    private Io() { }

    /** Work with a result. */
    @FunctionalInterface
    public interface Call<T> {
        T run() throws IOException;
    }

    /** Work without one. */
    @FunctionalInterface
    public interface Step {
        void run() throws IOException;
    }

    /** What lies in a folder, by name. */
    public static List<Path> list(Path folder) throws IOException {
        try (Stream<Path> inside = Files.list(folder)) {
            return inside.sorted().toList();
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /** Reads a file or folder. @throws BadInputException "PLACE: cannot be read: why" */
    public static <T> T reading(Path place, Call<T> body) {
        return input(place + ": cannot be read", body);
    }

    /** @param said such as "PLACE: cannot be written" @throws BadInputException "SAID: why" */
    public static <T> T input(Object said, Call<T> body) {
        try {
            return body.run();
        } catch (IOException | UncheckedIOException e) {
            throw new BadInputException(said + ": " + why(e, said), e);
        }
    }

    /** As the other, without a result. */
    public static void input(Object said, Step body) {
        input(said, result(body));
    }

    /** As {@link #input}, of Lethe's own files: the disk's fault and nobody's input. @throws UncheckedIOException "SAID: why" */
    public static <T> T disk(Object said, Call<T> body) {
        try {
            return body.run();
        } catch (IOException e) {
            throw new UncheckedIOException(said + ": " + why(e, said), e);
        }
    }

    /** As the other, without a result. */
    public static void disk(Object said, Step body) {
        disk(said, result(body));
    }

    private static Call<Void> result(Step body) {
        return () -> {
            body.run();
            return null;
        };
    }

    /** Names the cause's file unless it is said. */
    private static String why(Exception e, Object said) {
        Throwable cause = e instanceof UncheckedIOException ? e.getCause() : e;
        String file = cause instanceof FileSystemException one ? one.getFile()
                : cause instanceof FileNotFoundException ? Reason.of(cause).replaceFirst(" \\([^(]*\\)$", "") : null;
        boolean named = file != null && (" " + said + ":").contains(" " + file + ":");
        return Reason.of(e, named ? Path.of(file) : null);
    }
}
