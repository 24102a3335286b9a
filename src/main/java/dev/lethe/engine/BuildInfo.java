package dev.lethe.engine;

/**
 * What the loaded native library is.
 *
 * @param abiVersion   of the C header it was built from
 * @param torchVersion of the libtorch in use now
 * @param compiledFor  of the libtorch it was compiled against
 * @param cudaCompiled whether it was built with CUDA
 * @param cudaDevices  CUDA devices usable now
 * @param threads      native threads of a call where an engine names no other number
 * @param isa          instruction set of the CPU's loops: avx2, avx512, avx512_bf16 or default
 */
public record BuildInfo(int abiVersion, String torchVersion, String compiledFor, boolean cudaCompiled, int cudaDevices,
        int threads, String isa) {
}
