/* Resident memory of this process and its peak since the last reset, as Linux counts them; file mappings included. */
package dev.lethe.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

final class ProcessMemory {
    private ProcessMemory() { }

    /** {rss, peak} in bytes; a reset first gives freed memory back, so that what follows counts from there. */
    static Map<String, Object> measure(boolean reset) {
        if (reset) {
            System.gc();
            trim();
        }
        try {
            long rss = 0;
            long peak = 0;
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                rss = line.startsWith("VmRSS:") ? bytes(line) : rss;
                peak = line.startsWith("VmHWM:") ? bytes(line) : peak;
            }
            if (reset) {
                Files.writeString(Path.of("/proc/self/clear_refs"), "5");
            }
            return Map.of("rss", rss, "peak", peak);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static long bytes(String line) {
        return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
    }

    /** glibc's malloc_trim; where there is none, nothing. */
    private static void trim() {
        Linker linker = Linker.nativeLinker();
        linker.defaultLookup().find("malloc_trim").ifPresent(address -> {
            try {
                Object released = linker.downcallHandle(address,
                        FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG)).invokeWithArguments(0L);
                assert released != null;
            } catch (Throwable e) {
                throw new IllegalStateException("malloc_trim", e);
            }
        });
    }
}
