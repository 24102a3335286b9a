package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lethe.engine.MappedFile.Finiteness;
import dev.lethe.shape.Dtype;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The branch-free search for NaN and infinity: largest finite numbers pass, and the first bad one is found anywhere. */
class FinitenessTest {
    private static final int COUNT = 70_001;

    @ParameterizedTest
    @EnumSource
    void findsTheFirst(Dtype dtype) {
        double[] edges = switch (dtype) {
            case F64 -> new double[] {Double.MAX_VALUE, -Double.MAX_VALUE, Double.MIN_VALUE, -0.0};
            case F16 -> new double[] {65504, -65504, 6e-8, -0.0};
            default -> new double[] {3e38, -3e38, Float.MIN_NORMAL, -0.0};
        };
        assertEquals(-1, Finiteness.firstNotFinite(numbers(dtype, edges, -1, 0), dtype));
        assertEquals(-1, Finiteness.firstNotFinite(MemorySegment.ofArray(new byte[0]), dtype));
        for (double bad : new double[] {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY}) {
            for (int at : new int[] {0, 1, 65_535, 65_536, COUNT - 1}) {
                assertEquals(at, Finiteness.firstNotFinite(numbers(dtype, edges, at, bad), dtype), dtype + " " + bad);
            }
        }
    }

    /** The edges over and over, {@code bad} from {@code at} on; off any alignment. */
    private static MemorySegment numbers(Dtype dtype, double[] edges, int at, double bad) {
        ByteBuffer bytes = ByteBuffer.allocate(1 + COUNT * dtype.bytes()).order(ByteOrder.LITTLE_ENDIAN).put((byte) 0x7F);
        for (int i = 0; i < COUNT; i++) {
            double x = at >= 0 && i >= at ? bad : edges[i % edges.length];
            switch (dtype) {
                case F32 -> bytes.putFloat((float) x);
                case F64 -> bytes.putDouble(x);
                case F16 -> bytes.putShort(Float.floatToFloat16((float) x));
                case BF16 -> bytes.putShort((short) (Float.floatToRawIntBits((float) x) >>> 16));
            }
        }
        return MemorySegment.ofArray(bytes.array()).asSlice(1);
    }
}
