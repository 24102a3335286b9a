package dev.lethe.natives;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.charset.MalformedInputException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.concurrent.ExecutionException;
import java.util.zip.ZipException;
import org.junit.jupiter.api.Test;

/** Exceptions whose message is null or only a path say what happened. */
class ReasonTest {
    private static final Path FILE = Path.of("runs/a/lethe.json");

    @Test
    void fileSystemErrorsSayWhatHappened() {
        assertEquals("runs/a/lethe.json: no permission", Reason.of(new AccessDeniedException(FILE.toString())));
        assertEquals("no permission", Reason.of(new AccessDeniedException(FILE.toString()), FILE));
        assertEquals("runs/a/lethe.json: no permission", Reason.of(new AccessDeniedException(FILE.toString()), Path.of("runs/a")));
        assertEquals("there is no such file or folder", Reason.of(new NoSuchFileException(FILE.toString()), FILE));
        assertEquals("Too many open files", Reason.of(new FileSystemException(FILE.toString(), null, "Too many open files"), FILE));
        assertEquals("file system", Reason.of(new FileSystemException(null)));
        assertEquals("Permission denied", Reason.of(new FileNotFoundException(FILE + " (Permission denied)"), FILE));
    }

    @Test
    void nothingIsCalledNull() {
        assertEquals("it ends too early", Reason.of(new EOFException()));
        assertEquals("it was interrupted", Reason.of(new ClosedByInterruptException()));
        assertEquals("it is not UTF-8 text", Reason.of(new MalformedInputException(1)));
        assertEquals("zip", Reason.of(new ZipException()));
        assertEquals("null pointer", Reason.of(new NullPointerException()));
        assertEquals("stack overflow", Reason.of(new StackOverflowError()));
    }

    @Test
    void wrappersGiveTheirCauseAndOwnWordsStay() {
        IOException cause = new AccessDeniedException(FILE.toString());
        assertEquals("no permission", Reason.of(new UncheckedIOException(cause), FILE));
        assertEquals("runs/a/lethe.json: no permission", Reason.of(new ExecutionException(cause)));
        assertEquals("runs/a/lethe.json: no permission", Reason.of(new IllegalStateException(null, cause)));
        assertEquals("runs/a: not a run", Reason.of(new BadInputException("runs/a: not a run", cause)));
        assertEquals("writing the log: full", Reason.of(new UncheckedIOException("writing the log: full", cause)));
    }

    @Test
    void aLibraryOnANoexecFileSystemIsToldApartFromAnOldOne() {
        Path library = Path.of("build/native/liblethe.so");
        assertEquals("cannot load build/native/liblethe.so: failed to map segment from shared object; its file system is mounted"
                + " noexec, move it to one that is not",
                NativeLibrary.unloadable(library, "failed to map segment from shared object"));
        assertEquals("cannot load build/native/liblethe.so: libc10_cuda.so: cannot open; it was built for a libtorch with CUDA"
                + " and the one found has none; rebuild it with: ./lethe build",
                NativeLibrary.unloadable(library, "libc10_cuda.so: cannot open"));
        assertEquals("cannot load build/native/liblethe.so: this processor lacks AVX2, FMA or BMI (x86-64-v3), which Lethe"
                + " needs",
                NativeLibrary.unloadable(library, "CPU ISA level is lower than required"));
    }
}
