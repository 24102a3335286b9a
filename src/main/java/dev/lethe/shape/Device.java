package dev.lethe.shape;

import dev.lethe.bindings.LetheNative;
import java.util.Objects;
import java.util.function.IntSupplier;

/**
 * Where a model lives.
 *
 * @param kind  processor
 * @param index which one of its kind, from 0; always 0 for the CPU
 */
public record Device(Kind kind, int index) {

    /** Kinds of processor. */
    public enum Kind {
        /** The processor. */
        CPU(LetheNative::LETHE_CPU),
        /** A GPU of NVIDIA's. */
        CUDA(LetheNative::LETHE_CUDA);

        private final IntSupplier code; // asked when needed, as Status

        Kind(IntSupplier code) {
            this.code = code;
        }

        /** {@return what the native library calls it} */
        public int code() {
            return code.getAsInt();
        }
    }

    /** Refuses an index below 0, and one of the CPU above. */
    public Device {
        Objects.requireNonNull(kind, "kind");
        if (index < 0 || (kind == Kind.CPU && index != 0)) {
            throw new IllegalArgumentException("device index " + index + " of " + kind
                    + ": the CPU has index 0, CUDA devices count from 0");
        }
    }

    /** {@return the processor} */
    public static Device cpu() {
        return new Device(Kind.CPU, 0);
    }

    /**
     * Reads "cpu", "cuda" (the first device) or "cuda:1".
     *
     * @param text as it is written
     * @return the device
     * @throws IllegalArgumentException for anything else
     */
    public static Device parse(String text) {
        if (text.equals("cpu")) {
            return cpu();
        }
        if (text.equals("cuda")) {
            return new Device(Kind.CUDA, 0);
        }
        if (text.matches("cuda:[0-9]{1,4}")) {
            return new Device(Kind.CUDA, Integer.parseInt(text.substring("cuda:".length())));
        }
        throw new IllegalArgumentException("device '" + text + "': use cpu, cuda or cuda:N");
    }

    /** As {@link #parse} reads it. */
    @Override
    public String toString() {
        return kind == Kind.CPU ? "cpu" : "cuda:" + index;
    }

    /**
     * A CUDA device of this machine.
     *
     * @param name        as its maker calls it
     * @param totalBytes  of its memory
     * @param freeBytes   of its memory, now
     * @param capability  compute capability, 90 = 9.0
     * @param usable      whether this build has kernels for it
     * @param driver      CUDA version that the driver supports, 13000 = 13.0
     * @param runtime     CUDA version of the runtime in use
     */
    public record DeviceInfo(String name, long totalBytes, long freeBytes, int capability, boolean usable, int driver,
            int runtime) {
    }
}
