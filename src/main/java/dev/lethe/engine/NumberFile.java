/*
 * A file of numbers that is whole or refused: magic, what it holds in words, dtype and count, the numbers, a CRC32C
 * over all of it and an end mark. Written beside its place, synced and renamed. What the numbers mean its users know.
 *
 *   "LETHENUM" | int32 version | int32 dtype | int64 count | int32 bytes of text | text (UTF-8) | zeros to n * 64
 *   numbers, little-endian | int64 crc32c of everything before | "LETHEEND"
 */
package dev.lethe.engine;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.PrivateFiles;
import dev.lethe.shape.Dtype;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.CRC32C;
import java.util.zip.CheckedOutputStream;

/** A written number file, opened and checked as far as its first block; {@link #check} reads the rest. */
final class NumberFile implements AutoCloseable {
    private static final byte[] MAGIC = "LETHENUM".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] END = "LETHEEND".getBytes(StandardCharsets.US_ASCII);
    private static final int VERSION = 1;
    private static final int FIXED_BYTES = 28;
    private static final int TRAILER_BYTES = 16;
    private static final int ALIGNMENT = 64;
    private static final int LONGEST_TEXT = 1 << 16;

    private final MappedFile file;
    private final String text;
    private final Dtype dtype;
    private final long count;
    private final long start;

    /** Writes the numbers, little-endian. */
    interface Body {
        void into(WritableByteChannel channel) throws IOException;
    }

    private NumberFile(MappedFile file, String text, Dtype dtype, long count, long start) {
        this.file = file;
        this.text = text;
        this.dtype = dtype;
        this.count = count;
        this.start = start;
    }

    /** Replaces {@code path} or makes it; a kill leaves what was there before. */
    static void write(Path path, String text, Dtype dtype, long count, Body body) throws IOException {
        byte[] words = text.getBytes(StandardCharsets.UTF_8);
        PrivateFiles.write(path, out -> {
            CRC32C crc = new CRC32C();
            OutputStream summed = new CheckedOutputStream(out, crc);
            ByteBuffer header = little(start(words.length));
            header.put(MAGIC).putInt(VERSION).putInt(dtype.code()).putLong(count).putInt(words.length).put(words);
            summed.write(header.array());
            body.into(Channels.newChannel(summed));
            out.write(little(TRAILER_BYTES).putLong(crc.getValue()).put(END).array());
        });
    }

    /**
     * @throws BadInputException    when there is no such file, or it is no number file of this version
     * @throws DamagedDataException when its head or length is wrong
     */
    static NumberFile open(Path path) {
        MappedFile file = MappedFile.open(path);
        try {
            return parse(file);
        } catch (Throwable e) {
            file.close();
            throw e;
        }
    }

    private static NumberFile parse(MappedFile file) {
        Path path = file.path();
        if (file.size() < FIXED_BYTES || !Arrays.equals(file.bytes(0, MAGIC.length), MAGIC)) {
            throw new BadInputException(path + ": not a file of numbers that Lethe wrote");
        }
        ByteBuffer head = ByteBuffer.wrap(file.bytes(MAGIC.length, FIXED_BYTES - MAGIC.length))
                .order(ByteOrder.LITTLE_ENDIAN);
        int version = head.getInt();
        if (version != VERSION) {
            throw new BadInputException(path + ": format " + version + ", this version reads " + VERSION);
        }
        int code = head.getInt();
        long count = head.getLong();
        int words = head.getInt();
        if (code < 0 || code >= Dtype.values().length || count < 0 || words < 0 || words > LONGEST_TEXT) {
            throw new DamagedDataException(path + ": its head is damaged");
        }
        Dtype dtype = Dtype.of(code);
        long start = start(words);
        long whole = count > file.size() ? Long.MAX_VALUE : start + count * dtype.bytes() + TRAILER_BYTES;
        if (file.size() != whole) {
            throw new DamagedDataException(path + ": has " + file.size() + " bytes, " + count + " numbers of "
                    + dtype.bytes() + " bytes and their frame take " + whole + "; it was cut or damaged");
        }
        return new NumberFile(file, new String(file.bytes(FIXED_BYTES, words), StandardCharsets.UTF_8), dtype, count,
                start);
    }

    /** @throws DamagedDataException when a byte is not what was written */
    void check() {
        CRC32C crc = new CRC32C();
        long end = file.size() - TRAILER_BYTES;
        for (long at = 0; at < end; at += 1 << 24) {
            crc.update(file.read(at, Math.min(1 << 24, end - at)).asByteBuffer());
        }
        ByteBuffer trailer = ByteBuffer.wrap(file.bytes(end, TRAILER_BYTES)).order(ByteOrder.LITTLE_ENDIAN);
        long written = trailer.getLong();
        if (written != crc.getValue() || !Arrays.equals(file.bytes(end + Long.BYTES, END.length), END)) {
            throw new DamagedDataException(file.path() + ": its checksum is wrong, a byte was changed; make it anew");
        }
    }

    String text() {
        return text;
    }

    Dtype dtype() {
        return dtype;
    }

    long count() {
        return count;
    }

    /** Numbers from the {@code first} on, as they lie in the file. */
    MemorySegment numbers(long first, long count) {
        return file.read(start + first * dtype.bytes(), count * dtype.bytes());
    }

    @Override
    public void close() {
        file.close();
    }

    private static int start(int words) {
        return (FIXED_BYTES + words + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    private static ByteBuffer little(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
