package dev.lethe.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
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
 * Is java.lang.foreign dearer than JNI? The same C bodies behind both (bench/native/boundary.c): an empty call, a refusal
 * with a message, a struct of 40 bytes filled, 16 floats summed (passed as a segment; as a heap array with
 * Linker.Option.critical and with JNI's GetPrimitiveArrayCritical; as an address). Timed: one call with what its caller
 * must do around it. Not timed: compiling, loading, allocating.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class JniBench {
    private static final int COUNT = 16;
    private static final Path LIBRARY = JniBoundary.load();
    private static final Linker LINKER = Linker.nativeLinker();
    private static final SymbolLookup SYMBOLS = SymbolLookup.libraryLookup(LIBRARY, Arena.global());
    private static final FunctionDescriptor EMPTY_TYPE = FunctionDescriptor.of(ValueLayout.JAVA_INT);
    private static final FunctionDescriptor SUM_TYPE =
            FunctionDescriptor.of(ValueLayout.JAVA_FLOAT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG);
    private static final MethodHandle EMPTY = handle("boundary_empty", EMPTY_TYPE);
    private static final MethodHandle EMPTY_CRITICAL = handle("boundary_empty", EMPTY_TYPE, Linker.Option.critical(false));
    private static final MethodHandle REFUSE = handle("boundary_refuse",
            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.ADDRESS));
    private static final MethodHandle FILL =
            handle("boundary_fill", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS));
    private static final MethodHandle SUM = handle("boundary_sum", SUM_TYPE);
    private static final MethodHandle SUM_CRITICAL = handle("boundary_sum", SUM_TYPE, Linker.Option.critical(true));
    private static final long VALUES = ValueLayout.JAVA_LONG.byteSize();

    private final Arena arena = Arena.ofConfined();
    private final MemorySegment struct = arena.allocate(MemoryLayout.sequenceLayout(5, ValueLayout.JAVA_LONG));
    private final MemorySegment message = arena.allocate(64);
    private final MemorySegment numbers = arena.allocate(ValueLayout.JAVA_FLOAT, COUNT);
    private final MemorySegment heapNumbers = MemorySegment.ofArray(new float[COUNT]);
    private final float[] array = new float[COUNT];
    private final long[] fields = new long[4];

    private static MethodHandle handle(String name, FunctionDescriptor type, Linker.Option... options) {
        return LINKER.downcallHandle(SYMBOLS.findOrThrow(name), type, options);
    }

    /** 0 to 15 everywhere, so that every sum is 120. */
    @Setup
    public void open() {
        for (int i = 0; i < COUNT; i++) {
            array[i] = i;
            numbers.setAtIndex(ValueLayout.JAVA_FLOAT, i, i);
            heapNumbers.setAtIndex(ValueLayout.JAVA_FLOAT, i, i);
        }
    }

    @TearDown
    public void close() {
        arena.close();
    }

    @Benchmark
    public int emptyForeign() throws Throwable {
        return (int) EMPTY.invokeExact();
    }

    /** Linker.Option.critical: no thread state change, so the call must be short. */
    @Benchmark
    public int emptyCritical() throws Throwable {
        return (int) EMPTY_CRITICAL.invokeExact();
    }

    @Benchmark
    public int emptyJni() {
        return JniBoundary.empty();
    }

    /** A status and a message in the caller's struct; the exception is made from them in Java. */
    @Benchmark
    public String refusalForeign() throws Throwable {
        int status = (int) REFUSE.invokeExact(-1, message);
        return status == 0 ? "" : new IllegalArgumentException(message.getString(0)).getMessage();
    }

    @Benchmark
    public String refusalJni() {
        try {
            JniBoundary.refuse(-1);
            return "";
        } catch (IllegalArgumentException e) {
            return e.getMessage();
        }
    }

    @Benchmark
    public long structForeign() throws Throwable {
        int status = (int) FILL.invokeExact(struct);
        return status + struct.get(ValueLayout.JAVA_LONG, VALUES + 3 * ValueLayout.JAVA_LONG.byteSize());
    }

    @Benchmark
    public long structJni() {
        JniBoundary.fill(fields);
        return fields[3];
    }

    @Benchmark
    public float segmentForeign() throws Throwable {
        return (float) SUM.invokeExact(numbers, (long) COUNT);
    }

    @Benchmark
    public float heapCritical() throws Throwable {
        return (float) SUM_CRITICAL.invokeExact(heapNumbers, (long) COUNT);
    }

    @Benchmark
    public float arrayJni() {
        return JniBoundary.sum(array, COUNT);
    }

    @Benchmark
    public float addressJni() {
        return JniBoundary.sumAt(numbers.address(), COUNT);
    }
}
