package dev.lethe.testing;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;

/** Looks for bytes in every file under a folder, names of the files included, gzipped files unpacked. */
public final class Grep {
    private Grep() {}

    /** Files under {@code root}, relative to it and sorted, that hold one of the needles. */
    public static List<String> files(Path root, byte[]... needles) {
        try (Stream<Path> files = Files.walk(root)) {
            return files.filter(file -> holds(root, file, needles)).map(file -> root.relativize(file).toString()).sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean holds(Path root, Path file, byte[][] needles) {
        byte[] name = root.relativize(file).toString().getBytes(StandardCharsets.UTF_8);
        byte[] bytes = Files.isRegularFile(file) ? read(file) : new byte[0];
        for (byte[] needle : needles) {
            if (holds(name, needle) || holds(bytes, needle)) {
                return true;
            }
        }
        return false;
    }

    private static byte[] read(Path file) {
        try {
            byte[] bytes = Files.readAllBytes(file);
            return file.toString().endsWith(".gz")
                    ? new GZIPInputStream(new ByteArrayInputStream(bytes)).readAllBytes() : bytes;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static boolean holds(byte[] hay, byte[] needle) {
        for (int at = 0; at + needle.length <= hay.length; at++) {
            int same = 0;
            while (same < needle.length && hay[at + same] == needle[same]) {
                same++;
            }
            if (same == needle.length) {
                return true;
            }
        }
        return false;
    }

    public static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Token ids as ledger entries have them. */
    public static byte[] int32(int... ids) {
        ByteBuffer bytes = ByteBuffer.allocate(Integer.BYTES * ids.length).order(ByteOrder.LITTLE_ENDIAN);
        for (int id : ids) {
            bytes.putInt(id);
        }
        return bytes.array();
    }

    /** Little-endian, as token ids or the key of a ledger entry. */
    public static byte[] int64(long... values) {
        ByteBuffer bytes = ByteBuffer.allocate(Long.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (long value : values) {
            bytes.putLong(value);
        }
        return bytes.array();
    }
}
