package dev.lethe.shape;

import dev.lethe.bindings.LetheNative;
import java.util.function.IntSupplier;

/** Element types. Models compute in F32 or F64 (tests); files and ledger entries may also be F16 or BF16. */
public enum Dtype {
    /** IEEE single. */
    F32(LetheNative::LETHE_F32, Float.BYTES),
    /** IEEE double. */
    F64(LetheNative::LETHE_F64, Double.BYTES),
    /** IEEE half. */
    F16(LetheNative::LETHE_F16, Short.BYTES),
    /** The upper half of a single. */
    BF16(LetheNative::LETHE_BF16, Short.BYTES);

    private final IntSupplier code; // asked when needed, as Status
    private final int bytes;

    Dtype(IntSupplier code, int bytes) {
        this.code = code;
        this.bytes = bytes;
    }

    /** {@return bytes of one element} */
    public int bytes() {
        return bytes;
    }

    /** {@return what the native library calls it} */
    public int code() {
        return code.getAsInt();
    }

    /**
     * {@return the type of that code}
     *
     * @param code as the native library has it
     */
    public static Dtype of(int code) {
        for (Dtype dtype : values()) {
            if (dtype.code() == code) {
                return dtype;
            }
        }
        throw new IllegalArgumentException("dtype code " + code + " is not known to this version");
    }
}
