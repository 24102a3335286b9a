package dev.lethe.base;

import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.UncheckedIOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.ExecutionException;

/**
 * What went wrong, for a person. Many exceptions of the JDK name only a file, or nothing at all, in their message; here
 * they say what happened to it. Every message that repeats another exception's words takes them from here, and the build
 * sees to that (setup/forbidden.txt).
 */
public final class Reason {
    private Reason() {}

    /** As {@link #of(Throwable, Path)}, naming the file. */
    public static String of(Throwable e) {
        return of(e, null);
    }

    /** One sentence without its full stop, never empty; a file is named unless it is {@code said} already. */
    public static String of(Throwable e, Path said) {
        String message = e.getMessage();
        boolean wraps = e.getCause() != null && (message == null || message.equals(e.getCause().toString()));
        return switch (e) {
            case UncheckedIOException _, ExecutionException _ when wraps -> of(e.getCause(), said);
            case FileSystemException file -> file.getFile() == null || file.getFile().equals(String.valueOf(said))
                    ? what(file) : file.getFile() + ": " + what(file);
            case FileNotFoundException _ when message != null && message.startsWith(said + " (") ->
                    message.substring(message.indexOf(" (", said.toString().length()) + 2, message.length() - 1);
            case CharacterCodingException _ -> "it is not UTF-8 text";
            case EOFException _ when message == null -> "it ends too early";
            case ClosedByInterruptException _ -> "it was interrupted";
            default -> message != null ? message : wraps ? of(e.getCause(), said) : words(e);
        };
    }

    private static String what(FileSystemException e) {
        return switch (e) {
            case NoSuchFileException _ -> "there is no such file or folder";
            case AccessDeniedException _ -> "no permission";
            case FileAlreadyExistsException _ -> "there is one already";
            case NotDirectoryException _ -> "it is not a folder";
            case DirectoryNotEmptyException _ -> "the folder is not empty";
            case FileSystemLoopException _ -> "its links go in a circle";
            default -> e.getReason() != null ? e.getReason() : words(e);
        };
    }

    /** An exception without a message, by its name: NullPointerException is "null pointer". */
    private static String words(Throwable e) {
        String name = e.getClass().getSimpleName().replaceFirst("(Exception|Error)$", "");
        return name.isEmpty() ? e.getClass().getName()
                : name.replaceAll("(?<=[a-z])(?=[A-Z])", " ").toLowerCase(Locale.ROOT);
    }
}
