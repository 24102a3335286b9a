package dev.lethe.shape;

import dev.lethe.bindings.LetheNative;
import java.util.function.IntSupplier;

/** Element types. Models compute in F32 or F64 (tests); files and ledger entries may also be F16 or BF16. */
public enum Dtype {
    F32(LetheNative::LETHE_F32, Float.BYTES),
    F64(LetheNative::LETHE_F64, Double.BYTES),
    F16(LetheNative::LETHE_F16, Short.BYTES),
    BF16(LetheNative::LETHE_BF16, Short.BYTES);

    private final IntSupplier code; // asked when needed, as Status
    private final int bytes;

    Dtype(IntSupplier code, int bytes) {
        this.code = code;
        this.bytes = bytes;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }

    public int code() {
        return code.getAsInt();
    }

    public static Dtype of(int code) {
        for (Dtype dtype : values()) {
            if (dtype.code() == code) {
                return dtype;
            }
        }
        throw new IllegalArgumentException("dtype code " + code + " is not known to this version");
    }
}
