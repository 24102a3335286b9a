package dev.lethe.base;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Reserves disk blocks for a part of a file before it is written through a mapping. A store into a sparse mapped page
 * that finds the disk full kills the process (SIGBUS), so the blocks must exist first. Uses posix_fallocate where libc
 * has it (no bytes are written: measured 1 GiB in milliseconds against seconds of writing zeros), else writes zeros.
 * On file systems that copy on write (btrfs, zfs) the reservation is a promise the file system may not keep.
 */
public final class FileSpace {
    private static final int O_RDWR = 2;
    private static final int O_NOFOLLOW = System.getProperty("os.arch").equals("aarch64") ? 0x8000 : 0x20000;
    private static final int EINTR = 4;
    private static final int EFBIG = 27;
    private static final int ENOSPC = 28;
    private static final int EDQUOT = 122;
    private static final Optional<Calls> CALLS = Calls.find();

    private FileSpace() {}

    /** There is no room: the disk is full, or a quota or file-size limit is reached. */
    public static final class NoSpaceException extends IOException {
        private static final long serialVersionUID = 1L;

        NoSpaceException(String message) {
            super(message);
        }
    }

    /**
     * Makes [offset, offset + bytes) of an existing file allocated; new bytes read as zero, old ones stay. The file
     * grows to hold the range.
     *
     * @throws NoSpaceException when there is no room; the file's old content is untouched, its length may have grown
     */
    public static void allocate(Path file, long offset, long bytes) throws IOException {
        if (offset < 0 || bytes <= 0)
            throw new IllegalArgumentException("cannot allocate " + bytes + " bytes at " + offset + " of " + file);
        if (CALLS.isEmpty() || !CALLS.get().allocate(file, offset, bytes)) writeZeros(file, offset, bytes);
    }

    static void writeZeros(Path file, long offset, long bytes) throws IOException {
        try (FileChannel channel = PrivateFiles.open(file)) {
            ByteBuffer zeros = ByteBuffer.allocateDirect(1 << 20);
            long end = Math.addExact(offset, bytes);
            for (long at = Math.max(offset, channel.size()); at < end; ) {
                zeros.clear().limit((int) Math.min(zeros.capacity(), end - at));
                at += channel.write(zeros, at);
            }
        } catch (IOException e) {
            throw Reason.of(e).contains("No space left") ? new NoSpaceException(Reason.of(e)) : e;
        }
    }

    /** open, posix_fallocate and close of the C library. */
    private record Calls(MethodHandle open, MethodHandle fallocate, MethodHandle close) {
        static Optional<Calls> find() {
            if (!System.getProperty("os.name").equals("Linux")) return Optional.empty(); // the numbers are Linux's
            Linker linker = Linker.nativeLinker();
            SymbolLookup libc = linker.defaultLookup();
            var i = ValueLayout.JAVA_INT;
            var l = ValueLayout.JAVA_LONG;
            if (libc.find("posix_fallocate").isEmpty() || libc.find("open").isEmpty()) return Optional.empty();
            return Optional.of(new Calls(
                    linker.downcallHandle(libc.findOrThrow("open"), FunctionDescriptor.of(i, ValueLayout.ADDRESS, i),
                            Linker.Option.firstVariadicArg(2)),
                    linker.downcallHandle(libc.findOrThrow("posix_fallocate"), FunctionDescriptor.of(i, i, l, l)),
                    linker.downcallHandle(libc.findOrThrow("close"), FunctionDescriptor.of(i, i))));
        }

        /** False when this file system cannot reserve. */
        boolean allocate(Path file, long offset, long bytes) throws IOException {
            try (Arena arena = Arena.ofConfined()) {
                int descriptor = call(open, arena.allocateFrom(file.toString()), O_RDWR | O_NOFOLLOW);
                if (descriptor < 0) return false; // let the fallback's own error name the reason
                try {
                    int error;
                    do error = call(fallocate, descriptor, offset, bytes);
                    while (error == EINTR);
                    if (error == ENOSPC || error == EDQUOT || error == EFBIG)
                        throw new NoSpaceException(error == ENOSPC ? "No space left on device"
                                : error == EDQUOT ? "Disk quota exceeded" : "File too large for the file-size limit");
                    return error == 0;
                } finally {
                    call(close, descriptor);
                }
            }
        }

        private static int call(MethodHandle function, Object... arguments) {
            try {
                return (int) function.invokeWithArguments(arguments);
            } catch (Throwable e) {
                throw new IllegalStateException("a call into the C library failed", e);
            }
        }
    }
}
