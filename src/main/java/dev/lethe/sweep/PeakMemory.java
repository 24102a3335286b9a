package dev.lethe.sweep;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The most memory this process held since the last reset, as Linux counts it; NaN where it does not tell. */
final class PeakMemory {
    private PeakMemory() { }

    static void reset() {
        try {
            Files.writeString(Path.of("/proc/self/clear_refs"), "5");
        } catch (IOException | SecurityException e) {
            // then the peak is that of the whole process
        }
    }

    static double bytes() {
        try (var lines = Files.lines(Path.of("/proc/self/status"))) {
            return lines.filter(line -> line.startsWith("VmHWM:"))
                    .mapToDouble(line -> 1024 * Double.parseDouble(line.replaceAll("[^0-9]", ""))).findFirst().orElse(Double.NaN);
        } catch (IOException e) {
            return Double.NaN;
        }
    }
}
