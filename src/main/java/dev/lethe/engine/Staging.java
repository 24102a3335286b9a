package dev.lethe.engine;

import dev.lethe.shape.Dtype;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;

/**
 * Moves pieces of a flat buffer between native memory and Java arrays, channels and mapped files, through one reused
 * block of a mebibyte, so that no copy of a whole model is ever made.
 */
final class Staging {
    private static final long BLOCK_BYTES = 1 << 20;

    /** A read or a write of {@code count} elements from flat position {@code offset}. */
    interface Transfer {
        void move(long offset, long count, Dtype dtype, MemorySegment memory);
    }

    private final OwnedMemory.Scratch scratch;

    Staging(OwnedMemory memory) {
        scratch = new OwnedMemory.Scratch(memory);
    }

    float[] readFloats(Transfer read, long offset, int count) {
        float[] out = new float[count];
        MemorySegment block = scratch.atLeast(BLOCK_BYTES);
        int most = (int) (BLOCK_BYTES / Float.BYTES);
        for (int done = 0; done < count; done += most) {
            int part = Math.min(most, count - done);
            read.move(offset + done, part, Dtype.F32, block);
            MemorySegment.copy(block, ValueLayout.JAVA_FLOAT, 0, out, done, part);
        }
        return out;
    }

    void writeFloats(Transfer write, long offset, float[] in) {
        MemorySegment block = scratch.atLeast(BLOCK_BYTES);
        int most = (int) (BLOCK_BYTES / Float.BYTES);
        for (int done = 0; done < in.length; done += most) {
            int part = Math.min(most, in.length - done);
            MemorySegment.copy(in, done, block, ValueLayout.JAVA_FLOAT, 0, part);
            write.move(offset + done, part, Dtype.F32, block);
        }
    }

    double[] readDoubles(Transfer read, long offset, int count) {
        double[] out = new double[count];
        MemorySegment block = scratch.atLeast(BLOCK_BYTES);
        int most = (int) (BLOCK_BYTES / Double.BYTES);
        for (int done = 0; done < count; done += most) {
            int part = Math.min(most, count - done);
            read.move(offset + done, part, Dtype.F64, block);
            MemorySegment.copy(block, ValueLayout.JAVA_DOUBLE, 0, out, done, part);
        }
        return out;
    }

    void writeDoubles(Transfer write, long offset, double[] in) {
        MemorySegment block = scratch.atLeast(BLOCK_BYTES);
        int most = (int) (BLOCK_BYTES / Double.BYTES);
        for (int done = 0; done < in.length; done += most) {
            int part = Math.min(most, in.length - done);
            MemorySegment.copy(in, done, block, ValueLayout.JAVA_DOUBLE, 0, part);
            write.move(offset + done, part, Dtype.F64, block);
        }
    }

    /** Writes {@code count} elements as {@code dtype}, little-endian, to a channel. */
    void store(Transfer read, long offset, long count, Dtype dtype, WritableByteChannel channel) throws IOException {
        MemorySegment block = scratch.atLeast(BLOCK_BYTES);
        long most = BLOCK_BYTES / dtype.bytes();
        for (long done = 0; done < count; done += most) {
            long part = Math.min(most, count - done);
            read.move(offset + done, part, dtype, block);
            ByteBuffer bytes = block.asSlice(0, part * dtype.bytes()).asByteBuffer();
            while (bytes.hasRemaining()) {
                if (channel.write(bytes) < 0) {
                    throw new EOFException("the channel is closed");
                }
            }
        }
    }

    /** Copies elements of a mapped file into the buffer: at once where they are aligned, else through the block. */
    void load(Transfer write, long offset, long count, Dtype dtype, MemorySegment source) {
        if (source.address() % dtype.bytes() == 0) {
            write.move(offset, count, dtype, source);
            return;
        }
        MemorySegment block = scratch.atLeast(BLOCK_BYTES);
        long most = BLOCK_BYTES / dtype.bytes();
        for (long done = 0; done < count; done += most) {
            long part = Math.min(most, count - done);
            MemorySegment.copy(source, done * dtype.bytes(), block, 0, part * dtype.bytes());
            write.move(offset + done, part, dtype, block);
        }
    }
}
