package dev.lethe.console;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** The size of a terminal's window, by ioctl(2): Java knows of a terminal only where stdin and stdout are one too. */
final class Window {
    private static final long TIOCGWINSZ = 0x5413; // Linux; struct winsize is rows, columns and two more, 16 bits each
    private static final int USUAL = 80;

    private static final MethodHandle IOCTL = Linker.nativeLinker().downcallHandle(
            Linker.nativeLinker().defaultLookup().findOrThrow("ioctl"), FunctionDescriptor.of(ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.ADDRESS), Linker.Option.firstVariadicArg(2));

    private Window() { }

    /** Columns of the terminal that a file descriptor is, 80 where it does not say; 0 for a file or a pipe. */
    static int columns(int descriptor) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocate(ValueLayout.JAVA_SHORT, 4);
            if ((int) IOCTL.invokeExact(descriptor, TIOCGWINSZ, size) != 0) {
                return 0;
            }
            int columns = Short.toUnsignedInt(size.getAtIndex(ValueLayout.JAVA_SHORT, 1));
            return columns == 0 ? USUAL : columns;
        } catch (Throwable e) {
            throw new IllegalStateException("ioctl", e);
        }
    }
}
