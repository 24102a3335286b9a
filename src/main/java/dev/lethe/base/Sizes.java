package dev.lethe.base;

import java.util.Locale;

/** Bytes for people. */
public final class Sizes {
    private Sizes() {}

    /** "812 bytes", "3.4 MiB", "1.2 GiB". */
    public static String of(long bytes) {
        String[] units = {"bytes", "KiB", "MiB", "GiB", "TiB"};
        double value = bytes;
        int unit = 0;
        while (value >= 1024 && unit < units.length - 1) {
            value /= 1024;
            unit++;
        }
        return String.format(Locale.ROOT, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    }
}
