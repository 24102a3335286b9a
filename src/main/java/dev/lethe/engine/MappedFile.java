package dev.lethe.engine;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Io;
import dev.lethe.shape.Dtype;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A file, or its start, mapped read-only, of any size. Readable from any thread; {@link #close()} waits for native calls
 * that read it, then unmaps it. A file that was cut short is found before each read of it; what is cut off in the very
 * middle of one still faults, in native code fatally, so a file must not be shortened while it is mapped.
 */
public final class MappedFile implements AutoCloseable {
    private static final Map<MemorySegment.Scope, MappedFile> OPEN = new ConcurrentHashMap<>();

    private final Arena arena = Arena.ofShared();
    private final MemorySegment content;
    private final Path path;
    private final Object identity; // of the file itself: another may take its name
    private int readers; // native calls under way
    private boolean closing;

    private MappedFile(Path path, long mostBytes) throws IOException {
        this.path = path;
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            identity = attributes().fileKey();
            content = channel.map(FileChannel.MapMode.READ_ONLY, 0, Math.min(mostBytes, channel.size()), arena);
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
        OPEN.put(arena.scope(), this);
    }

    /** @throws BadInputException naming the file when it is absent, not a regular file or not readable */
    public static MappedFile open(Path path) {
        return open(path, Long.MAX_VALUE);
    }

    /** As {@link #open(Path)}, of no more than the first bytes. */
    public static MappedFile open(Path path, long mostBytes) {
        if (!Files.isRegularFile(path)) {
            throw new BadInputException(path + (Files.exists(path) ? ": not a regular file" : ": no such file"));
        }
        return Work.run("open", () -> map(path, mostBytes)); // an interrupt of the caller would close the channel
    }

    private static MappedFile map(Path path, long mostBytes) {
        return Io.input(path + ": cannot be read", () -> new MappedFile(path, mostBytes));
    }

    private BasicFileAttributes attributes() throws IOException {
        return Files.readAttributes(path, BasicFileAttributes.class);
    }

    /** Bytes mapped when it was opened. */
    public long size() {
        return content.byteSize();
    }

    /** The file that was opened. */
    public Path path() {
        return path;
    }

    /** @throws DamagedDataException when the file is shorter now than what is mapped of it */
    public void requireWhole() {
        try {
            BasicFileAttributes now = attributes();
            if (now.size() < size() && Objects.equals(now.fileKey(), identity)) {
                throw new DamagedDataException(path + ": was cut to " + now.size() + " bytes while it was in use, it"
                        + " had " + size() + "; bring it back whole");
            }
        } catch (IOException e) {
            return; // the name is gone, the mapped file is not
        }
    }

    /**
     * A copy of {@code length} bytes.
     *
     * @throws IndexOutOfBoundsException when they are not all within the file
     */
    public byte[] bytes(long offset, int length) {
        return read(offset, length).toArray(ValueLayout.JAVA_BYTE);
    }

    /**
     * Whether numbers are all finite, read in place.
     *
     * @return index of the first NaN or infinity among the {@code count} numbers from {@code offset} on, or -1
     * @throws IndexOutOfBoundsException when they are not all within the file
     */
    public long firstNotFinite(long offset, long count, Dtype dtype) {
        return Finiteness.firstNotFinite(read(offset, Math.multiplyExact(count, (long) dtype.bytes())), dtype);
    }

    /** A view that dies with this object, for a reader that asks {@link #requireWhole} when it reads. */
    public MemorySegment slice(long offset, long bytes) {
        if (offset < 0 || bytes < 0 || offset > size() - bytes) {
            throw new IndexOutOfBoundsException(path + ": bytes " + offset + " to " + offset + " + " + bytes
                    + " are outside the file of " + size());
        }
        return content.asSlice(offset, bytes);
    }

    /** A view to be read at once. */
    MemorySegment read(long offset, long bytes) {
        MemorySegment view = slice(offset, bytes);
        requireWhole();
        return view;
    }

    /** Files held for one native call. */
    static final class Reading implements AutoCloseable {
        private final List<MemorySegment> segments;
        private final List<MappedFile> files = new ArrayList<>();

        private Reading(List<MemorySegment> segments) {
            this.segments = segments;
        }

        @Override
        public void close() {
            files.forEach(MappedFile::release);
            Reference.reachabilityFence(segments);
        }
    }

    /**
     * Holds the files that these segments lie in, checked to be whole, until it is closed: for a native call that is given
     * addresses within a struct, which the JDK does not see. Segments of other arenas are only kept reachable.
     */
    static Reading reading(List<MemorySegment> segments) {
        Reading reading = new Reading(segments);
        try {
            for (MemorySegment segment : segments) {
                MappedFile file = OPEN.get(segment.scope());
                if (file != null && !reading.files.contains(file)) {
                    file.hold();
                    reading.files.add(file);
                }
            }
            return reading;
        } catch (Throwable e) {
            reading.close();
            throw e;
        }
    }

    private synchronized void hold() {
        if (closing) {
            throw new IllegalStateException(path + ": is closed");
        }
        requireWhole();
        readers++;
    }

    private synchronized void release() {
        readers--;
        notifyAll();
    }

    /** Waits for the native calls that read it, not for interrupts. Idempotent. */
    @Override
    public synchronized void close() {
        closing = true;
        boolean interrupted = false;
        while (readers > 0) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (arena.scope().isAlive()) {
            arena.close();
            OPEN.remove(arena.scope());
        }
    }

    /**
     * Finds NaN and infinity in little-endian numbers of a mapped file, in place. A number is one of them when all its
     * exponent bits are set, and then adding the lowest exponent bit to them carries into the sign bit: a loop without
     * branches that the JIT vectorises (10 GB/s against 2 with a copy and a test an element).
     */
    static final class Finiteness {
        private static final int BLOCK = 1 << 16;
        private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
        private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
        private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

        private Finiteness() {
        }

        /** Index of the first element that is not finite, or -1. */
        static long firstNotFinite(MemorySegment numbers, Dtype dtype) {
            long count = numbers.byteSize() / dtype.bytes();
            for (long from = 0; from < count; from += BLOCK) {
                int length = (int) Math.min(BLOCK, count - from);
                if (any(numbers, from * dtype.bytes(), length, dtype)) {
                    int i = 0;
                    while (!any(numbers, (from + i) * dtype.bytes(), 1, dtype)) {
                        i++;
                    }
                    return from + i;
                }
            }
            return -1;
        }

        private static boolean any(MemorySegment numbers, long byteOffset, int length, Dtype dtype) {
            return switch (dtype) {
                case F32 -> anyInt(numbers, byteOffset, length);
                case F64 -> anyLong(numbers, byteOffset, length);
                case F16 -> anyShort(numbers, byteOffset, length, 0x7C00, 0x0400);
                case BF16 -> anyShort(numbers, byteOffset, length, 0x7F80, 0x0080);
            };
        }

        private static boolean anyInt(MemorySegment numbers, long byteOffset, int length) {
            int found = 0;
            for (int i = 0; i < length; i++) {
                found |= (numbers.get(INT, byteOffset + (long) i * Integer.BYTES) & 0x7F800000) + 0x00800000;
            }
            return found < 0;
        }

        private static boolean anyLong(MemorySegment numbers, long byteOffset, int length) {
            long found = 0;
            for (int i = 0; i < length; i++) {
                found |= (numbers.get(LONG, byteOffset + (long) i * Long.BYTES) & 0x7FF0000000000000L) + 0x0010000000000000L;
            }
            return found < 0;
        }

        private static boolean anyShort(MemorySegment numbers, long byteOffset, int length, int exponent, int lowest) {
            int found = 0;
            for (int i = 0; i < length; i++) {
                found |= (numbers.get(SHORT, byteOffset + (long) i * Short.BYTES) & exponent) + lowest;
            }
            return (found & 0x8000) != 0;
        }
    }
}
