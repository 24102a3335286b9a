package dev.lethe.engine;

import dev.lethe.bindings.LetheNative;
import dev.lethe.bindings.lethe_build;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * One device and the native library behind it. Any thread may use an engine; the models it makes belong to the thread
 * that made them and are closed by their owner, before or after the engine.
 */
public final class Engine implements AutoCloseable {
    private final Device device;
    private final Dtype compute;
    private volatile boolean closed;

    private Engine(Device device, Dtype compute) {
        this.device = device;
        this.compute = compute;
    }

    public static Engine cpu() {
        return open(Device.cpu());
    }

    /**
     * Loads the native library on first use.
     *
     * @throws EngineException   UNSUPPORTED when the library is absent or of another version; it says what to run
     * @throws BadInputException when the device is not usable here
     */
    public static Engine open(Device device) {
        return open(device, Dtype.F32);
    }

    /**
     * As {@link #open(Device)}, with the type that F32 models compute in: F32, or BF16 for activations and the operands of
     * matrix products while parameters, gradients and moments stay F32.
     */
    public static Engine open(Device device, Dtype compute) {
        Objects.requireNonNull(device, "device");
        if (compute != Dtype.F32 && compute != Dtype.BF16) {
            throw new IllegalArgumentException("engine: compute type " + compute + " is not supported; use F32 or BF16");
        }
        BuildInfo build = buildInfo();
        if (device.kind() == Device.Kind.CUDA && device.index() >= build.cudaDevices()) {
            throw new BadInputException("device " + device + ": " + reason(build) + "; use --device cpu");
        }
        return new Engine(device, compute);
    }

    private static String reason(BuildInfo build) {
        if (!build.cudaCompiled()) {
            return "this build of Lethe has no CUDA support (libtorch " + build.torchVersion() + ")";
        }
        return build.cudaDevices() == 0 ? "no CUDA device is usable on this machine"
                : "this machine has CUDA devices 0 to " + (build.cudaDevices() - 1);
    }

    public Device device() {
        return device;
    }

    /** F32 or BF16: what F32 models compute in. */
    public Dtype compute() {
        return compute;
    }

    /**
     * A new model with all parameters zero, confined to the calling thread.
     *
     * @param dtype F32 or F64
     * @throws EngineException when the device lacks the memory or the shape cannot be built
     */
    public LanguageModel model(ModelShape shape, Dtype dtype) {
        if (closed) {
            throw new IllegalStateException("the engine is closed");
        }
        return new LanguageModel(device, compute, shape, dtype);
    }

    /** What the native library is; loads it on first use. */
    public static BuildInfo buildInfo() {
        NativeLibrary.ensure();
        try (Arena arena = Arena.ofConfined()) {
            NativeCalls calls = new NativeCalls(arena);
            MemorySegment build = lethe_build.allocate(arena);
            lethe_build.struct_size(build, lethe_build.sizeof());
            calls.done("build info", LetheNative.lethe_build_info(build, calls.begin()));
            return new BuildInfo(LetheNative.lethe_abi_version(), lethe_build.torch_version(build).getString(0),
                    lethe_build.compiled_for(build).getString(0), lethe_build.cuda_compiled(build) != 0,
                    lethe_build.cuda_devices(build), lethe_build.threads(build));
        }
    }

    /** Models and vectors of this process that are not closed yet. */
    public static long liveHandles() {
        NativeLibrary.ensure();
        return LetheNative.lethe_live_handles();
    }

    /**
     * Sets the native threads of the process; call it before the first model.
     *
     * @param threads 1 to 1024
     */
    public static void threads(int threads) {
        NativeLibrary.ensure();
        try (Arena arena = Arena.ofConfined()) {
            NativeCalls calls = new NativeCalls(arena);
            calls.done("set threads", LetheNative.lethe_set_threads(threads, calls.begin()));
        }
    }

    /**
     * Eigen-decomposition of a symmetric matrix.
     *
     * @param matrix [n, n] row-major; on return row i is the unit eigenvector of value i
     * @return [n] eigenvalues, ascending
     */
    public static double[] eigen(double[] matrix, int n) {
        if (n < 1 || matrix.length != (long) n * n) {
            throw new IllegalArgumentException("eigen: " + matrix.length + " numbers are not a matrix of " + n + " x "
                    + n);
        }
        NativeLibrary.ensure();
        try (Arena arena = Arena.ofConfined()) {
            NativeCalls calls = new NativeCalls(arena);
            MemorySegment rows = arena.allocateFrom(ValueLayout.JAVA_DOUBLE, matrix);
            MemorySegment values = arena.allocate(ValueLayout.JAVA_DOUBLE, n);
            calls.done("eigen", LetheNative.lethe_symmetric_eigen(n, rows, values, calls.begin()));
            MemorySegment.copy(rows, ValueLayout.JAVA_DOUBLE, 0, matrix, 0, matrix.length);
            return values.toArray(ValueLayout.JAVA_DOUBLE);
        }
    }

    /** No more models after this; models already made stay usable until their owner closes them. */
    @Override
    public void close() {
        closed = true;
    }
}
