/*
 * Appends to an audit log. One writer: it holds lethe.lock, and others wait. New tiles and bundles go beside those of the
 * present checkpoint under names that it does not refer to; the new checkpoint's rename makes them count. So a kill leaves the
 * log as it was, with files that the next append replaces. The whole log is read before: nothing is signed on top of damage,
 * and a request id, once used, is found.
 */
package dev.lethe.proof;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Io;
import dev.lethe.base.LockFile;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.base.Sha256;
import dev.lethe.proof.AuditLog.LogEntry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/** The right to append. Confined to one thread. */
final class LogWriter implements AutoCloseable {
    static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int LARGEST = 0xffff; // bytes of an entry
    private static final int PAUSE_MILLIS = 20;

    /** Where an entry is, and which. */
    record Found(long index, LogEntry entry) { }

    private final Path root;
    private final SigningKeys keys;
    private final NoteKey key;
    private final LockFile lock;
    private AuditLog log;
    private final Map<String, Found> byRequest = new HashMap<>();
    private Instant last = Instant.EPOCH;

    private LogWriter(Path root, SigningKeys keys, LockFile lock) {
        this.root = root;
        this.keys = keys;
        this.key = keys.log();
        this.lock = lock;
    }

    /**
     * Waits for the log, makes it when there is none, and reads all of it.
     *
     * @throws BadInputException    when another writer keeps it for longer than {@code patience}, or it is another key's
     * @throws DamagedDataException when it is not whole
     */
    static LogWriter open(Path root, SigningKeys keys, Duration patience) {
        try {
            PrivateFiles.makeFolder(root);
            LockFile lock = wait(root, patience);
            LogWriter writer = new LogWriter(root, keys, lock);
            try {
                writer.begin();
                writer.read();
                return writer;
            } catch (IOException | RuntimeException e) {
                lock.close();
                throw e;
            }
        } catch (IOException e) {
            throw new BadInputException(root + ": the audit log cannot be written: " + Reason.of(e, root), e);
        }
    }

    private static LockFile wait(Path root, Duration patience) throws IOException {
        long end = System.nanoTime() + patience.toNanos();
        while (true) {
            LockFile lock = LockFile.take(root.resolve("lethe.lock"), "");
            if (lock != null) {
                return lock;
            }
            if (System.nanoTime() > end) {
                throw new BadInputException(root + ": another process is writing this audit log; try again when it has ended");
            }
            try {
                Thread.sleep(PAUSE_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new BadInputException(root + ": interrupted while another process was writing this audit log", e);
            }
        }
    }

    /** A new log has a signed head of no entries before it has anything else: tiles without a head are a loss, not a start. */
    private void begin() throws IOException {
        Path vkey = root.resolve(AuditLog.VKEY);
        if (!Files.exists(root.resolve(AuditLog.CHECKPOINT))) {
            if (Files.exists(root.resolve("tile"))) {
                throw new DamagedDataException(root.resolve(AuditLog.CHECKPOINT)
                        + ": is missing and there are tiles: the log lost its head; put it back, or begin another log");
            }
            PrivateFiles.write(vkey, key.text() + "\n");
            write(new InclusionProof.TreeHead(key.name(), 0, Sha256.of()));
        }
        if (!AuditLog.key(root).same(key)) {
            throw new BadInputException(vkey + ": this log was begun with another key (" + AuditLog.key(root).name()
                    + "); use that, or begin another log");
        }
    }

    private void read() {
        log = AuditLog.open(root, key);
        byRequest.clear();
        log.check((index, bytes) -> {
            String place = root + ", entry " + index;
            LogEntry entry = ProofJson.read(bytes, LogEntry.class, place);
            byRequest.put(entry.request(), new Found(index, entry));
            last = entry.at(place);
        });
    }

    /** The entry of a request, or null. */
    Found find(String request) {
        return byRequest.get(request);
    }

    /**
     * Refuses what must not be appended.
     *
     * @throws BadInputException when the request has a certificate already, or the clock says it is before the last entry
     */
    void require(String request, Instant now) {
        Found used = find(request);
        if (used != null) {
            throw new BadInputException("request " + request + ": has a certificate already, entry " + used.index()
                    + " of " + root + ", of " + used.entry().certified() + "; give each request an id of its own");
        }
        if (now.isBefore(last)) {
            throw new BadInputException("the clock says " + now + ", and the last entry of " + root + " is of " + last
                    + ": one of the two clocks is wrong; set this one right");
        }
    }

    /** Appends an entry, which is durable when this returns. @return its index */
    long append(LogEntry entry) {
        require(entry.request(), entry.at("an entry"));
        byte[] bytes = entry.bytes();
        if (bytes.length > LARGEST) {
            throw new BadInputException("request " + entry.request() + ": its entry would have " + bytes.length
                    + " bytes, a log takes "
                    + LARGEST);
        }
        long index = log.size();
        Io.disk(root + ": the audit log cannot be written", () -> {
            long n = index / AuditLog.WIDTH;
            int width = (int) (index % AuditLog.WIDTH);
            byte[] bundle = width == 0 ? new byte[0] : AuditLog.bytes(AuditLog.file(root, "entries", n, width));
            byte[] framed = ByteBuffer.allocate(2 + bytes.length).putShort((short) bytes.length).put(bytes).array();
            put("entries", n, width + 1, join(bundle, framed));
            tiles(index, Merkle.leaf(bytes));
            AuditLog grown = AuditLog.at(root, index + 1);
            write(new InclusionProof.TreeHead(key.name(), index + 1, Merkle.root(grown::node, index + 1)));
            log = AuditLog.open(root, key);
            clean(index);
        });
        byRequest.put(entry.request(), new Found(index, entry));
        last = entry.at("an entry");
        return index;
    }

    /** Adds a hash to its tile, and a tile that is full to the one above. */
    private void tiles(long index, byte[] leaf) throws IOException {
        long at = index;
        byte[] hash = leaf;
        for (int level = 0; ; level++) {
            long n = at / AuditLog.WIDTH;
            int width = (int) (at % AuditLog.WIDTH);
            String name = String.valueOf(level);
            byte[] tile = join(width == 0 ? new byte[0] : AuditLog.bytes(AuditLog.file(root, name, n, width)), hash);
            put(name, n, width + 1, tile);
            if (width + 1 < AuditLog.WIDTH) {
                return;
            }
            hash = AuditLog.inside(tile, 0, AuditLog.WIDTH);
            at = n;
        }
    }

    private void put(String level, long n, int width, byte[] bytes) throws IOException {
        Path file = AuditLog.file(root, level, n, width);
        PrivateFiles.makeFolder(file.getParent());
        PrivateFiles.write(file, bytes);
    }

    private void write(InclusionProof.TreeHead head) throws IOException {
        PrivateFiles.write(root.resolve(AuditLog.CHECKPOINT), key.sign(head.text(), keys));
    }

    /** Partial tiles go when the full one is there, as the specification allows; those of a growing one stay. */
    private void clean(long index) throws IOException {
        long at = index;
        for (int level = 0; at % AuditLog.WIDTH == AuditLog.WIDTH - 1; level++) {
            at /= AuditLog.WIDTH;
            PrivateFiles.deleteTree(AuditLog.file(root, String.valueOf(level), at, 1).getParent());
            if (level == 0) {
                PrivateFiles.deleteTree(AuditLog.file(root, "entries", at, 1).getParent());
            }
        }
    }

    private static byte[] join(byte[] head, byte[] tail) {
        byte[] all = Arrays.copyOf(head, head.length + tail.length);
        System.arraycopy(tail, 0, all, head.length, tail.length);
        return all;
    }

    long size() {
        return log.size();
    }

    /** That an entry is in the log as it is now. */
    InclusionProof proof(long index) {
        return log.inclusion(index);
    }

    @Override
    public void close() {
        lock.close();
    }
}
