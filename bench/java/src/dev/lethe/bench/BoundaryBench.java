package dev.lethe.bench;

import dev.lethe.bindings.LetheNative;
import dev.lethe.bindings.lethe_error;
import dev.lethe.engine.Engine;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
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
 * Java. No bytes are moved but the message of a refusal.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class BoundaryBench {
    private Arena arena;
    private MemorySegment error;

    /** Loads the library and makes the caller's error struct. */
    @Setup
    public void open() {
        Engine.buildInfo();
        arena = Arena.ofConfined();
        error = lethe_error.allocate(arena);
        lethe_error.struct_size(error, lethe_error.sizeof());
    }

    /** Frees the error struct. */
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
        return LetheNative.lethe_set_threads(0, error);
    }
}
