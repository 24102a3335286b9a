package dev.lethe.engine;

import dev.lethe.base.BadInputException;
import dev.lethe.base.EngineException;
import dev.lethe.base.Reason;
import dev.lethe.bindings.LetheNative;
import dev.lethe.bindings.lethe_build;
import dev.lethe.bindings.lethe_device;
import dev.lethe.bindings.lethe_plan;
import dev.lethe.bindings.lethe_plan_request;
import dev.lethe.natives.Libtorch;
import dev.lethe.natives.NativeLibrary;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.MemoryPlan;
import dev.lethe.shape.ModelShape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Objects;
import java.util.function.Supplier;

/**
 * One device and the native library behind it. Any thread may use an engine and close it; the models it makes belong to the
 * thread that made them and are closed by their owner, before or after the engine.
 */
public final class Engine implements AutoCloseable {
    private final Device device;
    private final Dtype compute;
    private final int threads;
    private final RankGroup group;
    private volatile boolean closed;

    private Engine(Device device, Dtype compute, int threads, RankGroup group) {
        this.device = device;
        this.compute = compute;
        this.threads = threads;
        this.group = group;
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
        return open(device, compute, 0);
    }

    /**
     * As {@link #open(Device, Dtype)}, with the native threads that a call on this engine's models takes; those of engines that
     * work at once add up.
     *
     * @param threads 1 to 1024, 0 = one a core
     */
    public static Engine open(Device device, Dtype compute, int threads) {
        Objects.requireNonNull(device, "device");
        if (threads < 0 || threads > 1024) {
            throw new IllegalArgumentException("engine: threads is " + threads + ", allowed 0 (one a core) to 1024");
        }
        if (compute != Dtype.F32 && compute != Dtype.BF16) {
            throw new IllegalArgumentException("engine: compute type " + compute + " is not supported; use F32 or BF16");
        }
        NativeLibrary.ensure();
        if (device.kind() == Device.Kind.CUDA) {
            requireDevice(device);
        }
        return new Engine(device, compute, threads, RankGroup.ALONE);
    }

    private static void requireDevice(Device device) {
        try {
            Device.DeviceInfo info = deviceInfo(device.index());
            if (!info.usable()) {
                throw new BadInputException("device " + device + ": " + info.name() + " has compute capability "
                        + info.capability() / 10.0 + ", which this build has no kernels for"
                        + (info.capability() < 80 ? "; Lethe needs 8.0 or newer" : "; rebuild with -DLETHE_CUDA_ARCHITECTURES="
                        + info.capability()));
            }
        } catch (EngineException e) {
            throw new BadInputException("device " + device + ": " + Reason.of(e), e);
        }
    }

    /**
     * A CUDA device of this machine.
     *
     * @throws EngineException UNSUPPORTED when there is none, saying why; INVALID_ARGUMENT when there are fewer
     */
    public static Device.DeviceInfo deviceInfo(int index) {
        NativeLibrary.ensure();
        try (Arena arena = Arena.ofConfined()) {
            NativeCalls calls = new NativeCalls(arena);
            MemorySegment info = lethe_device.allocate(arena);
            lethe_device.struct_size(info, lethe_device.sizeof());
            calls.done("device info", LetheNative.lethe_device_info(index, info, calls.begin()));
            return new Device.DeviceInfo(lethe_device.name(info).getString(0), lethe_device.total_bytes(info),
                    lethe_device.free_bytes(info), lethe_device.capability(info), lethe_device.usable(info) != 0,
                    lethe_device.driver(info), lethe_device.runtime(info));
        }
    }

    /** What training a model of this shape on this device takes, before it is made. */
    public MemoryPlan plan(ModelShape shape, Dtype dtype, MemoryPlan.Request request) {
        try (Arena arena = Arena.ofConfined()) {
            NativeCalls calls = new NativeCalls(arena);
            MemorySegment wanted = lethe_plan_request.allocate(arena);
            lethe_plan_request.struct_size(wanted, lethe_plan_request.sizeof());
            lethe_plan_request.records(wanted, request.records());
            lethe_plan_request.tokens(wanted, request.tokens());
            lethe_plan_request.targets(wanted, request.targets());
            lethe_plan_request.capture_bytes(wanted, request.captureBytes());
            lethe_plan_request.ring_slots(wanted, request.ringSlots());
            MemorySegment plan = lethe_plan.allocate(arena);
            lethe_plan.struct_size(plan, lethe_plan.sizeof());
            calls.done("memory plan", LetheNative.lethe_model_plan(ModelConfig.of(arena, this, shape, dtype), wanted, plan,
                    calls.begin()));
            return new MemoryPlan(lethe_plan.parameters(plan), lethe_plan.shadow(plan), lethe_plan.gradient(plan),
                    lethe_plan.moments(plan), lethe_plan.activations(plan), lethe_plan.head(plan), lethe_plan.capture(plan),
                    lethe_plan.total(plan), lethe_plan.ring(plan), lethe_plan.available(plan), lethe_plan.token_bytes(plan),
                    lethe_plan.fitting_tokens(plan));
        }
    }

    public Device device() {
        return device;
    }

    /**
     * An engine like this one whose work is shared with other ranks; it closes the group.
     *
     * @param ranks joins them: not asked where it is refused, for to leave a group waits for the others
     * @throws BadInputException on a device: sums over ranks are made on the host
     */
    public Engine among(Supplier<RankGroup> ranks) {
        if (device.kind() != Device.Kind.CPU) {
            throw new BadInputException("ranks on " + device + ": Lethe adds up gradients over ranks on hosts alone, through MPI; work"
                    + " on the CPU, or on one device without ranks");
        }
        return new Engine(device, compute, threads, ranks.get());
    }

    /** Whom its work is shared with. */
    public RankGroup group() {
        return group;
    }

    /** F32 or BF16: what F32 models compute in. */
    public Dtype compute() {
        return compute;
    }

    /** As asked for: 0 where that was nothing. */
    int askedThreads() {
        return threads;
    }

    /** Native threads that a call on one of its models takes. */
    public int threads() {
        return threads != 0 ? threads : buildInfo().threads();
    }

    /**
     * A new model with all parameters zero, of the calling thread.
     *
     * @param shape without adapters
     * @param dtype F32 or F64
     * @throws EngineException when the device lacks the memory or the shape cannot be built
     */
    public LanguageModel model(ModelShape shape, Dtype dtype) {
        return model(shape, dtype, null);
    }

    /**
     * As {@link #model(ModelShape, Dtype)} of a shape with adapters, over a base of that shape and dtype, on this device; while
     * its parameters are zero it computes what the base does.
     */
    public LanguageModel model(ModelShape shape, Dtype dtype, Base base) {
        requireOpen();
        return new LanguageModel(this, shape, dtype, base);
    }

    /** A new model like another: of its shape, dtype and base, with all parameters zero. */
    public LanguageModel like(LanguageModel other) {
        return model(other.shape(), other.dtype(), other.base());
    }

    /**
     * Opens the frozen weights of models with adapters.
     *
     * @param shape adapters do not count
     * @param dtype of the models
     */
    public Base base(ModelShape shape, Dtype dtype, Base.Files files) {
        requireOpen();
        return new Base(this, shape, dtype, files);
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the engine is closed");
        }
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
                    lethe_build.cuda_devices(build), lethe_build.threads(build), lethe_build.isa(build).getString(0));
        }
    }

    /** Models and vectors of this process that are not closed yet. */
    public static long liveHandles() {
        NativeLibrary.ensure();
        return LetheNative.lethe_live_handles();
    }

    /** Models, vectors and factors of this process that nobody closed and the garbage collector freed: leaks of their users. */
    public static long abandonedHandles() {
        return OwnedMemory.abandoned();
    }

    /**
     * Names the libtorch of the process; call it before anything else here. What else may name one: docs/embedding.md.
     *
     * @param folder with lib/libtorch_cpu.so, as site-packages/torch and an unpacked libtorch archive have it
     * @throws EngineException       UNSUPPORTED when there is none
     * @throws IllegalStateException when the native library is loaded already
     */
    public static void libtorch(Path folder) {
        if (NativeLibrary.loaded()) {
            throw new IllegalStateException("libtorch is loaded already; name it before the first engine is opened");
        }
        Libtorch.folder("Engine.libtorch", folder.toString(), null);
        Libtorch.Chosen.folder = folder.toAbsolutePath();
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
        if (!closed) {
            closed = true;
            group.close();
        }
    }

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
}
