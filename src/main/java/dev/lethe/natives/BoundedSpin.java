/*
 * How long libgomp's threads spin before they sleep. By default they spin so long that beside another busy process they hold the
 * processors they wait for (a demo beside two busy threads took ten times as long). libgomp reads its environment once, when it is
 * loaded, and an embedding service sets none: so the variable stands in the process for that moment.
 */
package dev.lethe.natives;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** Runs something that loads libgomp; what a user has set stays, and so does everything where libc has no setenv. */
final class BoundedSpin {
    private static final String VARIABLE = "GOMP_SPINCOUNT";
    /** Measured beside busy processes and on a quiet machine: docs/performance.md. */
    private static final String COUNT = "5000";
    private static final Linker LINKER = Linker.nativeLinker();

    private BoundedSpin() {
    }

    static void during(Runnable load) {
        MethodHandle get = function("getenv", ValueLayout.ADDRESS, ValueLayout.ADDRESS);
        MethodHandle set = function("setenv", ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT);
        MethodHandle unset = function("unsetenv", ValueLayout.JAVA_INT, ValueLayout.ADDRESS);
        if (get == null || set == null || unset == null) {
            load.run();
            return;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment variable = arena.allocateFrom(VARIABLE);
            boolean ours = free(get, variable) && free(get, arena.allocateFrom("OMP_WAIT_POLICY"))
                    && (int) call(set, variable, arena.allocateFrom(COUNT), 0) == 0;
            try {
                load.run();
            } finally {
                if (ours) {
                    call(unset, variable);
                }
            }
        }
    }

    private static boolean free(MethodHandle get, MemorySegment variable) {
        return ((MemorySegment) call(get, variable)).equals(MemorySegment.NULL);
    }

    /** Null where the C library has no such function. */
    private static MethodHandle function(String name, ValueLayout result, ValueLayout... arguments) {
        return LINKER.defaultLookup().find(name)
                .map(address -> LINKER.downcallHandle(address, FunctionDescriptor.of(result, arguments))).orElse(null);
    }

    private static Object call(MethodHandle function, Object... arguments) {
        try {
            return function.invokeWithArguments(arguments);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
