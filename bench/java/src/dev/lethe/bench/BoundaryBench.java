package dev.lethe.bench;

import dev.lethe.bindings.LetheNative;
import dev.lethe.bindings.lethe_error;
import dev.lethe.bindings.lethe_kfac_info;
import dev.lethe.bindings.lethe_kfac_options;
import dev.lethe.bindings.lethe_layout;
import dev.lethe.bindings.lethe_model_config;
import dev.lethe.engine.Engine;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What does it cost to cross into the native library? Timed: one downcall. Not timed: loading, the engine's checks in
 * Java. Bytes moved: the message of a refusal, a struct of 32, 16 floats out of a model; the same as JNI: {@link JniBench}.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class BoundaryBench {
    private static final int COUNT = 16;

    private Arena arena;
    private MemorySegment error;
    private MemorySegment vector;
    private MemorySegment factors;
    private MemorySegment info;
    private MemorySegment numbers;

    /** Loads the library and makes the caller's error struct. */
    @Setup
    public void open() {
        Engine.buildInfo();
        arena = Arena.ofConfined();
        error = lethe_error.allocate(arena);
        lethe_error.struct_size(error, lethe_error.sizeof());
        info = lethe_kfac_info.allocate(arena);
        lethe_kfac_info.struct_size(info, lethe_kfac_info.sizeof());
        numbers = arena.allocate(ValueLayout.JAVA_FLOAT, COUNT);
        make();
    }

    /** A model, its parameters and factors of it. */
    private void make() {
        MemorySegment config = lethe_model_config.allocate(arena);
        lethe_model_config.struct_size(config, lethe_model_config.sizeof());
        lethe_model_config.vocabulary(config, 100);
        lethe_model_config.context(config, 16);
        lethe_model_config.channels(config, 16);
        lethe_model_config.heads(config, 2);
        lethe_model_config.layers(config, 1);
        lethe_model_config.inner(config, 64);
        lethe_model_config.norm_epsilon(config, 1e-5);
        lethe_model_config.tied_head(config, 1);
        MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
        done(LetheNative.lethe_model_create(config, out, error));
        MemorySegment model = out.get(ValueLayout.ADDRESS, 0).reinterpret(arena, LetheNative::lethe_model_destroy);
        done(LetheNative.lethe_model_vector(model, LetheNative.LETHE_PARAMETERS(), out, error));
        vector = out.get(ValueLayout.ADDRESS, 0);

        MemorySegment layout = lethe_layout.allocate(arena);
        lethe_layout.struct_size(layout, lethe_layout.sizeof());
        done(LetheNative.lethe_model_layout(config, layout, error));
        MemorySegment options = lethe_kfac_options.allocate(arena);
        lethe_kfac_options.struct_size(options, lethe_kfac_options.sizeof());
        lethe_kfac_options.sites(options, arena.allocate(lethe_layout.sites(layout)).fill((byte) 1));
        lethe_kfac_options.site_count(options, lethe_layout.sites(layout));
        done(LetheNative.lethe_kfac_create(model, options, out, error));
        factors = out.get(ValueLayout.ADDRESS, 0).reinterpret(arena, LetheNative::lethe_kfac_destroy);
    }

    private void done(int status) {
        if (status != LetheNative.LETHE_OK()) {
            throw new IllegalStateException(lethe_error.message(error).getString(0));
        }
    }

    /** Frees the structs, the factors and the model. */
    @TearDown
    public void close() {
        arena.close();
    }

    /** Nothing but the crossing: the callee returns a constant. */
    @Benchmark
    public int emptyCall() {
        return LetheNative.lethe_abi_version();
    }

    /** A C++ exception thrown, caught at the wall and turned into a status and a message. */
    @Benchmark
    public int refusal() {
        return LetheNative.lethe_set_threads(-1, error);
    }

    /** A struct filled by the callee, sizes checked on both sides. */
    @Benchmark
    public long struct() {
        int status = LetheNative.lethe_kfac_describe(factors, info, error);
        return status + lethe_kfac_info.elements(info);
    }

    /** A segment passed through: 16 floats copied out of the model's parameters. */
    @Benchmark
    public int segment() {
        return LetheNative.lethe_vector_read(vector, 0, COUNT, LetheNative.LETHE_F32(), numbers, numbers.byteSize(), error);
    }
}
