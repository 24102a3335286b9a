/*
 * An audit log on disk as C2SP's tlog-tiles has it, static files that stock tools read: `checkpoint`, `tile/L/N[.p/W]` (256
 * hashes of 32 bytes), `tile/entries/N[.p/W]` (entries, each behind two bytes of length), and `vkey`, the key's public part.
 * Proofs read the tiles on their way alone, and no byte of one is believed that the signed root does not come from. Appending is
 * LogWriter's.
 */
package dev.lethe.proof;

import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Reason;
import dev.lethe.base.Sha256;
import dev.lethe.proof.InclusionProof.TreeHead;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/** A log at the size its checkpoint has. Confined to one thread. */
final class AuditLog {
    static final int WIDTH = 256;
    static final int LEVELS = 8; // of the tree in a tile
    /** Of what is read whole: a bundle of 256 entries has at most this. */
    private static final long LARGEST_FILE = 256 * (2 + 65535);
    static final String CHECKPOINT = "checkpoint";
    static final String VKEY = "vkey";

    private final Path root;
    private final TreeHead head;
    private final Map<String, byte[]> tiles = new HashMap<>();

    private final boolean checks;

    private AuditLog(Path root, TreeHead head, boolean checks) {
        this.root = root;
        this.head = head;
        this.checks = checks;
    }

    /** @throws DamagedDataException when there is no checkpoint, the key has not signed it, or the last tiles are not its */
    static AuditLog open(Path root, NoteKey key) {
        Path file = root.resolve(CHECKPOINT);
        AuditLog log = new AuditLog(root, TreeHead.open(bytes(file), key, file.toString()), true);
        log.requireEdge();
        return log;
    }

    /** The tiles of a log that has no head of this size yet. */
    static AuditLog at(Path root, long size) {
        return new AuditLog(root, new TreeHead("", size, new byte[0]), false);
    }

    /** The key that lies with the log. */
    static NoteKey key(Path root) {
        Path file = root.resolve(VKEY);
        String text = new String(bytes(file), StandardCharsets.UTF_8);
        if (!text.endsWith("\n")) {
            throw new DamagedDataException(file + ": is not the one line that Lethe writes there");
        }
        return NoteKey.parse(text.substring(0, text.length() - 1), file.toString());
    }

    /** A file being replaced is overwritten behind the reader's back: read it again then. */
    static byte[] bytes(Path file) {
        if (Files.exists(file) && (!Files.isRegularFile(file) || file.toFile().length() > LARGEST_FILE)) {
            throw new DamagedDataException(file + ": is no file, or larger than anything that Lethe writes there");
        }
        try {
            byte[] bytes = Files.readAllBytes(file);
            return bytes.length > 0 && bytes[0] == 0 ? Files.readAllBytes(file) : bytes;
        } catch (NoSuchFileException e) {
            throw new DamagedDataException(file + ": is missing", e);
        } catch (IOException e) {
            throw new DamagedDataException(file + ": cannot be read: " + Reason.of(e, file), e);
        }
    }

    TreeHead head() {
        return head;
    }

    long size() {
        return head.size();
    }

    /** As C2SP names a tile: in groups of three digits, an x before all but the last. */
    static String name(long n) {
        String last = String.format(Locale.ROOT, "%03d", n % 1000);
        return n < 1000 ? last : name(n / 1000).replaceAll("(^|/)(\\d{3})$", "$1x$2") + "/" + last;
    }

    /** @param level of a tile, or {@code entries} */
    static Path file(Path root, String level, long n, int width) {
        Path folder = root.resolve("tile").resolve(level);
        return width == WIDTH ? folder.resolve(name(n)) : folder.resolve(name(n) + ".p").resolve(String.valueOf(width));
    }

    /** Hashes in the n-th tile of a level in a tree of this size, 0 where there is none. */
    static int width(int level, long n, long size) {
        long there = (size >> (LEVELS * level)) - n * WIDTH;
        return Math.clamp(there, 0, WIDTH);
    }

    /** Believed once it is full and hashes to what the tile above has of it, or as {@link #requireEdge} found it. */
    private byte[] tile(int level, long n) {
        byte[] known = tiles.get(level + "/" + n);
        if (known != null) {
            return known;
        }
        int width = width(level, n, size());
        Path file = file(root, String.valueOf(level), n, width);
        byte[] bytes = bytes(file);
        if (bytes.length != width * Merkle.BYTES) {
            throw new DamagedDataException(file + ": has " + bytes.length + " bytes, not " + width * Merkle.BYTES);
        }
        if (checks && width == WIDTH
                && !Arrays.equals(inside(bytes, 0, WIDTH), inside(tile(level + 1, n / WIDTH), (int) (n % WIDTH), 1))) {
            throw new DamagedDataException(file + ": is not the tile that the log's head comes from; it was changed");
        }
        tiles.put(level + "/" + n, bytes);
        return bytes;
    }

    /** The last tiles of the levels, none of them full, must come to the root. */
    private void requireEdge() {
        if (!Arrays.equals(Merkle.root(this::node, size()), head.root())) {
            List<String> files = new ArrayList<>();
            for (int level = 0; size() >> (LEVELS * level) > 0; level++) {
                long n = (size() >> (LEVELS * level)) / WIDTH;
                if (width(level, n, size()) > 0) {
                    files.add(file(root, String.valueOf(level), n, width(level, n, size())).toString());
                }
            }
            throw new DamagedDataException(files.isEmpty() ? root.resolve(CHECKPOINT) + ": its root is not that of no entries"
                    : String.join(" or ", files) + ": does not come to the root in the log's checkpoint; it was changed");
        }
    }

    /** Hash of a whole subtree, of the tile that holds its leaves or those above them. */
    byte[] node(int level, long index) {
        int tile = level / LEVELS;
        int height = level % LEVELS;
        long first = index << height; // at the tile's level
        return inside(tile(tile, first / WIDTH), (int) (first % WIDTH), 1 << height);
    }

    /** Hash over a power of two of a tile's hashes. */
    static byte[] inside(byte[] tile, int from, int count) {
        return count == 1 ? Arrays.copyOfRange(tile, from * Merkle.BYTES, (from + 1) * Merkle.BYTES)
                : Merkle.node(inside(tile, from, count / 2), inside(tile, from + count / 2, count / 2));
    }

    InclusionProof inclusion(long index) {
        return new InclusionProof(index, Merkle.inclusion(this::node, index, size()), bytes(root.resolve(CHECKPOINT)));
    }

    /**
     * Refuses a log that does not hold this entry there.
     *
     * @throws DamagedDataException naming the file where it is wrong
     */
    void requireEntry(long index, byte[] entry) {
        if (index >= size()) {
            throw new DamagedDataException(root.resolve(CHECKPOINT) + ": is of " + size() + " entries, and the"
                    + " certificate's is number " + index + ": the log was cut");
        }
        long n = index / WIDTH;
        List<byte[]> entries = bundle(n);
        requireLeaves(n, entries);
        if (!Arrays.equals(entries.get((int) (index % WIDTH)), entry)) {
            throw new DamagedDataException(root + ": its entry " + index + " is another certificate's, of "
                    + new String(entries.get((int) (index % WIDTH)), StandardCharsets.UTF_8));
        }
    }

    /** @throws DamagedDataException when an older head is not the beginning of this one */
    void requireExtends(TreeHead old, String place) {
        if (old.size() > size()) {
            throw new DamagedDataException(root.resolve(CHECKPOINT) + ": is of " + size() + " entries, " + place + " of "
                    + old.size() + ": the log was cut");
        }
        if (old.size() == 0) {
            return; // every log goes on from an empty one
        }
        List<byte[]> proof = Merkle.consistency(this::node, old.size(), size());
        if (!Merkle.extendsTo(old.size(), old.root(), size(), head.root(), proof)) {
            throw new DamagedDataException(root.resolve(CHECKPOINT) + ": is not what became of " + place
                    + ": entries were changed or removed, or a tile was");
        }
    }

    /** The n-th 256 entries, or what there is of them. */
    List<byte[]> bundle(long n) {
        int width = width(0, n, size());
        Path file = file(root, "entries", n, width);
        ByteBuffer rest = ByteBuffer.wrap(bytes(file));
        List<byte[]> entries = new ArrayList<>();
        while (rest.remaining() >= 2) {
            byte[] entry = new byte[rest.getShort() & 0xffff];
            if (entry.length > rest.remaining()) {
                break;
            }
            rest.get(entry);
            entries.add(entry);
        }
        if (entries.size() != width || rest.hasRemaining()) {
            throw new DamagedDataException(file + ": does not hold " + width + " whole entries");
        }
        return entries;
    }

    private void requireLeaves(long n, List<byte[]> entries) {
        ByteArrayOutputStream leaves = new ByteArrayOutputStream();
        entries.forEach(entry -> leaves.writeBytes(Merkle.leaf(entry)));
        if (!Arrays.equals(leaves.toByteArray(), tile(0, n))) {
            throw new DamagedDataException(file(root, "entries", n, width(0, n, size()))
                    + ": its entries are not those that the log's head comes from; they were changed");
        }
    }

    /** Told of every entry by {@link #check}. */
    @FunctionalInterface
    interface Reader {
        void entry(long index, byte[] bytes);
    }

    /**
     * Reads the whole log: every entry against its leaf, and with the leaves every tile.
     *
     * @throws DamagedDataException naming the first file that is wrong
     */
    void check(Reader reader) {
        for (long n = 0; n * WIDTH < size(); n++) {
            List<byte[]> entries = bundle(n);
            requireLeaves(n, entries);
            for (int i = 0; i < entries.size(); i++) {
                reader.entry(n * WIDTH + i, entries.get(i));
            }
        }
    }

    /**
     * A leaf of the audit log: which certificate was given for which request, and when. As the log only grows and may be handed to
     * anyone, it holds nothing else; the certificate itself can be deleted.
     *
     * @param type        {@link Statement#PREDICATE}
     * @param request     the request's id
     * @param certified   when, ISO 8601, UTC
     * @param certificate SHA-256 of the certificate's file
     */
    record LogEntry(String type, String request, String certified, String certificate) {
        LogEntry {
            Objects.requireNonNull(type, "type");
            Objects.requireNonNull(request, "request");
            Objects.requireNonNull(certified, "certified");
            Objects.requireNonNull(certificate, "certificate");
        }

        static LogEntry of(Statement statement, byte[] file) {
            Statement.Request request = statement.predicate().request();
            return new LogEntry(Statement.PREDICATE, request.id(), request.certified(), Sha256.hex(Sha256.of(file)));
        }

        /** {@code certified}. @throws DamagedDataException when that is no time */
        Instant at(String place) {
            return time(certified, place);
        }

        static Instant time(String text, String place) {
            try {
                return Instant.parse(text);
            } catch (DateTimeParseException e) {
                throw new DamagedDataException(place + ": \"" + text + "\" is no time as Lethe writes it", e);
            }
        }

        byte[] bytes() {
            return ProofJson.bytes(this);
        }
    }
}
