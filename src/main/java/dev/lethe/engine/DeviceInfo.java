package dev.lethe.engine;

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
