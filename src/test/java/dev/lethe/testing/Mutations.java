package dev.lethe.testing;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;

/**
 * Damages a file's bytes for the fuzz tests, reproducibly: the same original and seed give the same result. Flips and
 * replaces bytes, cuts, repeats and moves pieces, and puts in numbers and JSON fragments that readers stumble over.
 */
public final class Mutations {
    private static final int MOST_EDITS = 4;
    private static final List<String> FRAGMENTS = List.of("-1", "0", "9223372036854775807", "99999999999999999999", "1e400",
            "1.5", "null", "true", "\"\"", "{}", "[]", "[[[[", "\"\\ud800\"", "NaN", "\"F32\"", "\u0000", "\ufeff", ",", ":",
            "}", "]", "\n", "\r\n");

    private Mutations() {
    }

    /** A damaged copy; sometimes equal to the original. */
    public static byte[] damage(byte[] original, long seed) {
        Random random = new Random(seed);
        byte[] bytes = original;
        for (int edits = 1 + random.nextInt(MOST_EDITS); edits > 0; edits--) {
            bytes = edit(bytes, random);
        }
        return bytes;
    }

    private static byte[] edit(byte[] bytes, Random random) {
        int from = random.nextInt(bytes.length + 1);
        int to = Math.min(bytes.length, from + (random.nextInt(8) == 0 ? random.nextInt(bytes.length + 1) : random.nextInt(12)));
        byte[] fragment = FRAGMENTS.get(random.nextInt(FRAGMENTS.size())).getBytes(StandardCharsets.UTF_8);
        return switch (random.nextInt(7)) {
            case 0 -> flip(bytes, from, random);
            case 1 -> join(bytes, 0, from, new byte[0], to, bytes.length);                  // cut out
            case 2 -> join(bytes, 0, from, new byte[0], bytes.length, bytes.length);        // cut off
            case 3 -> join(bytes, 0, to, new byte[0], from, bytes.length);                  // repeat
            case 4 -> join(bytes, 0, from, fragment, from, bytes.length);                   // insert
            case 5 -> join(bytes, 0, from, fragment, to, bytes.length);                     // replace
            default -> digit(bytes, from, random);
        };
    }

    private static byte[] flip(byte[] bytes, int at, Random random) {
        byte[] copy = bytes.clone();
        if (at < copy.length) {
            copy[at] ^= (byte) (1 << random.nextInt(8));
        }
        return copy;
    }

    /** Changes the next digit to another one, which keeps JSON well-formed and its numbers wrong. */
    private static byte[] digit(byte[] bytes, int from, Random random) {
        byte[] copy = bytes.clone();
        for (int i = from; i < copy.length; i++) {
            if (copy[i] >= '0' && copy[i] <= '9') {
                copy[i] = (byte) ('0' + random.nextInt(10));
                break;
            }
        }
        return copy;
    }

    private static byte[] join(byte[] bytes, int headFrom, int headTo, byte[] middle, int tailFrom, int tailTo) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(bytes, headFrom, headTo - headFrom);
        out.writeBytes(middle);
        out.write(bytes, tailFrom, tailTo - tailFrom);
        return out.toByteArray();
    }
}
