/*
 * Looks for ids and texts in files, as they stand in JSON, CSV, HTML and plain text; gzipped files are unpacked. An id counts
 * where no letter, digit, '-' or '_' goes on before or behind it; one of digits alone, or of one letter, only in quotes.
 */
package dev.lethe.erase;

import dev.lethe.run.RunJson;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.GZIPInputStream;

final class FileSearch {
    private static final int CHUNK = 1 << 20;

    private record Needle(byte[] bytes, boolean whole) { }

    private final Map<Integer, List<Needle>> byStart = new HashMap<>(); // the first two bytes
    private final boolean[] starts = new boolean[1 << 16];
    private int longest;

    FileSearch(Set<String> ids, List<String> texts) {
        ids.forEach(id -> add(id.length() < 2 || id.chars().allMatch(Character::isDigit) ? "\"" + id + "\"" : id, true));
        texts.forEach(text -> add(text, false));
    }

    private void add(String text, boolean whole) {
        String json = RunJson.line(text);
        String html = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;");
        for (String form : new LinkedHashSet<>(List.of(text, json.substring(1, json.length() - 1), html))) {
            byte[] bytes = form.getBytes(StandardCharsets.UTF_8);
            if (bytes.length >= 2) {
                int start = start(bytes, 0);
                starts[start] = true;
                byStart.computeIfAbsent(start, _ -> new ArrayList<>()).add(new Needle(bytes, whole));
                longest = Math.max(longest, bytes.length);
            }
        }
    }

    boolean in(Path file) throws IOException {
        try (InputStream raw = new BufferedInputStream(Files.newInputStream(file));
                InputStream in = file.toString().endsWith(".gz") ? new GZIPInputStream(raw) : raw) {
            byte[] bytes = new byte[CHUNK + longest + 2];
            int filled = 0;
            for (int from = 0; ; from = 1) {
                filled += in.readNBytes(bytes, filled, bytes.length - filled);
                boolean end = filled < bytes.length;
                int to = end ? filled - 1 : filled - longest - 1;
                for (int at = from; at < to; at++) {
                    if (starts[start(bytes, at)] && matches(bytes, at, filled)) {
                        return true;
                    }
                }
                if (end) {
                    return false;
                }
                System.arraycopy(bytes, to - 1, bytes, 0, filled - to + 1); // the byte before the next place, and what follows
                filled -= to - 1;
            }
        }
    }

    private boolean matches(byte[] bytes, int at, int filled) {
        for (Needle needle : byStart.get(start(bytes, at))) {
            int end = at + needle.bytes.length;
            int same = 0;
            while (same < needle.bytes.length && at + same < filled && bytes[at + same] == needle.bytes[same]) {
                same++;
            }
            boolean goesOn = needle.whole && (at > 0 && inWord(bytes[at - 1]) || end < filled && inWord(bytes[end]));
            if (same == needle.bytes.length && !goesOn) {
                return true;
            }
        }
        return false;
    }

    private static int start(byte[] bytes, int at) {
        return (bytes[at] & 0xFF) << 8 | bytes[at + 1] & 0xFF;
    }

    /** Bytes of a letter beyond ASCII count, whatever the letter. */
    private static boolean inWord(byte b) {
        return b < 0 || Character.isLetterOrDigit(b) || b == '-' || b == '_';
    }
}
