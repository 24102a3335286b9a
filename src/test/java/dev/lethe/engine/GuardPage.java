package dev.lethe.engine;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Memory that ends where an unreadable page begins: a native access one byte too far kills the test process. Linux. */
final class GuardPage {
    private static final long PAGE = 4096;
    private static final int READ_WRITE = 3;
    private static final int PRIVATE_ANONYMOUS = 0x22;
    private static final MethodHandle MAP = libc("mmap", ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT,
            JAVA_LONG);
    private static final MethodHandle PROTECT = libc("mprotect", JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT);
    private static final MethodHandle UNMAP = libc("munmap", JAVA_INT, ADDRESS, JAVA_LONG);

    private GuardPage() {
    }

    /** {@code bytes} of zeros, the last of them just before the guard page. */
    static MemorySegment before(Arena arena, long bytes) {
        long usable = (bytes + PAGE - 1) / PAGE * PAGE;
        try {
            MemorySegment raw = (MemorySegment) MAP.invokeExact(MemorySegment.NULL, usable + PAGE, READ_WRITE,
                    PRIVATE_ANONYMOUS, -1, 0L);
            MemorySegment all = raw.reinterpret(usable + PAGE, arena, GuardPage::unmap);
            if ((int) PROTECT.invokeExact(all.asSlice(usable), PAGE, 0) != 0) {
                throw new IllegalStateException("mprotect failed");
            }
            return all.asSlice(usable - bytes, bytes);
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static void unmap(MemorySegment all) {
        try {
            int ignored = (int) UNMAP.invokeExact(all, all.byteSize());
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static MethodHandle libc(String name, MemoryLayout result, MemoryLayout... arguments) {
        Linker linker = Linker.nativeLinker();
        MemorySegment function = linker.defaultLookup().findOrThrow(name);
        return linker.downcallHandle(function, FunctionDescriptor.of(result, arguments));
    }
}
