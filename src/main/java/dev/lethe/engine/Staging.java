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
        inBlocks(count, Dtype.F32, (done, part, block) -> {
            read.move(offset + done, part, Dtype.F32, block);
            MemorySegment.copy(block, ValueLayout.JAVA_FLOAT, 0, out, (int) done, (int) part);
        });
        return out;
    }

    void writeFloats(Transfer write, long offset, float[] in) {
        inBlocks(in.length, Dtype.F32, (done, part, block) -> {
            MemorySegment.copy(in, (int) done, block, ValueLayout.JAVA_FLOAT, 0, (int) part);
            write.move(offset + done, part, Dtype.F32, block);
        });
    }

    double[] readDoubles(Transfer read, long offset, int count) {
        double[] out = new double[count];
        inBlocks(count, Dtype.F64, (done, part, block) -> {
            read.move(offset + done, part, Dtype.F64, block);
            MemorySegment.copy(block, ValueLayout.JAVA_DOUBLE, 0, out, (int) done, (int) part);
        });
        return out;
    }

    void writeDoubles(Transfer write, long offset, double[] in) {
        inBlocks(in.length, Dtype.F64, (done, part, block) -> {
            MemorySegment.copy(in, (int) done, block, ValueLayout.JAVA_DOUBLE, 0, (int) part);
            write.move(offset + done, part, Dtype.F64, block);
        });
    }

    /** Writes {@code count} elements as {@code dtype}, little-endian, to a channel. */
    void store(Transfer read, long offset, long count, Dtype dtype, WritableByteChannel channel) throws IOException {
        inBlocks(count, dtype, (done, part, block) -> {
            read.move(offset + done, part, dtype, block);
            ByteBuffer bytes = block.asSlice(0, part * dtype.bytes()).asByteBuffer();
            while (bytes.hasRemaining()) {
                if (channel.write(bytes) < 0) {
                    throw new EOFException("the channel is closed");
                }
            }
        });
    }

    /** Copies elements of a mapped file into the buffer: at once where they are aligned, else through the block. */
    void load(Transfer write, long offset, long count, Dtype dtype, MemorySegment source) {
        if (source.address() % dtype.bytes() == 0) {
            write.move(offset, count, dtype, source);
            return;
        }
        inBlocks(count, dtype, (done, part, block) -> {
            MemorySegment.copy(source, done * dtype.bytes(), block, 0, part * dtype.bytes());
            write.move(offset + done, part, dtype, block);
        });
    }

    /** A block's worth of elements, {@code done} of which came before. */
    private interface Part<E extends Exception> {
        void move(long done, long part, MemorySegment block) throws E;
    }

    private <E extends Exception> void inBlocks(long count, Dtype dtype, Part<E> each) throws E {
        MemorySegment block = scratch.atLeast(BLOCK_BYTES);
        long most = BLOCK_BYTES / dtype.bytes();
        for (long done = 0; done < count; done += most) {
            each.move(done, Math.min(most, count - done), block);
        }
    }
}
