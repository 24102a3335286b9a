package dev.lethe.engine;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A whole file mapped read-only, of any size. Readable from any thread; {@link #close()} unmaps it. The file must not
 * be shortened while it is mapped.
 */
public final class MappedFile implements AutoCloseable {
    private final Arena arena;
    private final MemorySegment content;
    private final Path path;

    private MappedFile(Arena arena, MemorySegment content, Path path) {
        this.arena = arena;
        this.content = content;
        this.path = path;
    }

    /** @throws BadInputException naming the file when it is absent, not a regular file or not readable */
    public static MappedFile open(Path path) {
        if (!Files.isRegularFile(path)) {
            throw new BadInputException(path + (Files.exists(path) ? ": not a regular file" : ": no such file"));
        }
        return Work.run("open", () -> map(path)); // an interrupt of the caller would close the channel
    }

    private static MappedFile map(Path path) {
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            return new MappedFile(arena, channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena), path);
        } catch (IOException e) {
            arena.close();
            throw new BadInputException(path + ": cannot be read: " + e.getMessage(), e);
        }
    }

    /** Bytes of the file when it was opened. */
    public long size() {
        return content.byteSize();
    }

    /** The file that was opened. */
    public Path path() {
        return path;
    }

    /**
     * A copy of {@code length} bytes.
     *
     * @throws IndexOutOfBoundsException when they are not all within the file
     */
    public byte[] bytes(long offset, int length) {
        return slice(offset, length).toArray(ValueLayout.JAVA_BYTE);
    }

    /**
     * Whether numbers are all finite, read in place.
     *
     * @return index of the first NaN or infinity among the {@code count} numbers from {@code offset} on, or -1
     * @throws IndexOutOfBoundsException when they are not all within the file
     */
    public long firstNotFinite(long offset, long count, Dtype dtype) {
        return Finiteness.firstNotFinite(slice(offset, Math.multiplyExact(count, (long) dtype.bytes())), dtype);
    }

    /** A view that dies with this object. */
    MemorySegment slice(long offset, long bytes) {
        if (offset < 0 || bytes < 0 || offset > size() - bytes) {
            throw new IndexOutOfBoundsException(path + ": bytes " + offset + " to " + offset + " + " + bytes
                    + " are outside the file of " + size());
        }
        return content.asSlice(offset, bytes);
    }

    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
