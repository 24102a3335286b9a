package dev.lethe.shape;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

/** How near numbers must be, in one place. Relative error is ||a - b|| / ||b|| over a whole array, b the reference. */
public final class Tolerance {
    /** fp32 against transformers and torch. */
    public static final double PARITY_F32 = 1e-4;
    /** fp64 against transformers and torch. */
    public static final double PARITY_F64 = 1e-9;
    /** fp32: one batch against another split or order of the same records. */
    public static final double REORDER_F32 = 1e-6;
    /** fp32: factored arithmetic over entries against the same in dense vectors. */
    public static final double FACTORED_F32 = 1e-5;
    /** Factors rounded to 8 bits of mantissa. */
    public static final double FACTORS_BF16 = 1e-2;

    private Tolerance() {
    }

    /** What parity asks of a model of this dtype. */
    public static double parity(Dtype dtype) {
        return dtype == Dtype.F64 ? PARITY_F64 : PARITY_F32;
    }

    /** ||actual - expected|| / ||expected||; the plain norm of the difference where the reference is zero. */
    public static double relative(double[] expected, double[] actual) {
        assertEquals(expected.length, actual.length, "lengths");
        double difference = 0;
        double reference = 0;
        for (int i = 0; i < expected.length; i++) {
            difference += (actual[i] - expected[i]) * (actual[i] - expected[i]);
            reference += expected[i] * expected[i];
        }
        return Math.sqrt(reference == 0 ? difference : difference / reference);
    }

    /** Fails, naming {@code what}, unless the relative error is at most {@code limit}. */
    public static void near(String what, double[] expected, double[] actual, double limit) {
        double error = relative(expected, actual);
        assertTrue(error <= limit, () -> what + ": relative error " + error + " is over " + limit);
    }
}
