package dev.lethe.sweep;

import dev.lethe.base.Sha256;
import dev.lethe.run.RunJson;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** The names of contents. */
final class ContentId {
    private static final int ID_BYTES = 8;

    private ContentId() { }

    /** SHA-256, lower-case hex, of the values' JSON. */
    static String of(Object... values) {
        return Sha256.hex(Sha256.of(RunJson.line(List.of(values)).getBytes(StandardCharsets.UTF_8)));
    }

    /** The first 16 digits of {@link #of}: the name of a cell or a run. */
    static String id(Object... values) {
        return of(values).substring(0, 2 * ID_BYTES);
    }
}
