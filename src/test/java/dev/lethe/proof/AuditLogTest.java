package dev.lethe.proof;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.LockFile;
import dev.lethe.base.Sha256;
import dev.lethe.proof.AuditLog.LogEntry;
import dev.lethe.proof.InclusionProof.TreeHead;
import dev.lethe.testing.MemoryFolder;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The audit log: its proofs beside the whole tree, kills at every write, two writers, and a million entries. */
class AuditLogTest {
    private static final Duration SOON = Duration.ofMillis(50);
    private static final Instant START = MadeUpRun.NOON;

    private final MemoryFolder memory = new MemoryFolder();
    private final Path root = memory.path().resolve("audit");
    private final SigningKeys keys = MadeUpRun.keys();

    @AfterEach
    void clear() {
        memory.close();
    }

    static LogEntry entry(int i) {
        return new LogEntry(Statement.PREDICATE, "R-" + i, START.plusSeconds(i).toString(), "00".repeat(32));
    }

    private AuditLog open() {
        return AuditLog.open(root, keys.log());
    }

    private LogWriter writer() {
        return LogWriter.open(root, keys, SOON);
    }

    @Test
    void everySizeHasTheRootAndTheProofsOfItsEntries() {
        List<byte[]> leaves = new ArrayList<>();
        List<TreeHead> heads = new ArrayList<>();
        try (LogWriter writer = writer()) {
            heads.add(open().head());
            for (int i = 0; i < 600; i++) {
                leaves.add(Merkle.leaf(entry(i).bytes()));
                assertEquals(i, writer.append(entry(i)));
                TreeHead head = open().head();
                assertEquals(i + 1, head.size());
                assertArrayEquals(ProofVectorsTest.mth(leaves), head.root(), "size " + (i + 1));
                heads.add(head);
            }
        }
        AuditLog log = open();
        for (int i = 0; i < 600; i++) {
            InclusionProof proof = InclusionProof.read(log.inclusion(i).bytes(), "proof");
            assertTrue(proof.verify(entry(i).bytes(), keys.log(), "proof").same(log.head()));
            log.requireEntry(i, entry(i).bytes());
            log.requireExtends(heads.get(i), "an older one");
        }
        List<Long> read = new ArrayList<>();
        log.check((index, bytes) -> {
            assertArrayEquals(entry((int) index).bytes(), bytes);
            read.add(index);
        });
        assertEquals(600, read.size());
        assertEquals(List.of("000", "001", "002.p"), names(root.resolve("tile/0")),
                "partial tiles go when the whole one is there");
        assertEquals(List.of("000", "001", "002.p"), names(root.resolve("tile/entries")));
        assertEquals(List.of("000.p"), names(root.resolve("tile/1")));
        assertEquals(88, names(root.resolve("tile/0/002.p")).size(), "those of a growing tile stay for who has an older head");
        assertThrows(DamagedDataException.class, () -> log.requireExtends(new TreeHead(keys.log().name(), 300,
                heads.get(301).root()), "a forked one"));
        assertEquals(root.resolve("checkpoint") + ": is of 600 entries, an older one of 601: the log was cut",
                assertThrows(DamagedDataException.class, () -> log.requireExtends(new TreeHead(keys.log().name(), 601,
                        heads.get(3).root()), "an older one")).getMessage());
    }

    private static List<String> names(Path folder) {
        try (Stream<Path> inside = Files.list(folder)) {
            return inside.map(path -> path.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /**
     * An append is a row of files, each whole or absent (PrivateFiles), of which the checkpoint is the last but for those that are
     * removed: after a kill at any place the log is that before or that after, and the next append goes on.
     */
    @Test
    void aKillAnywhereLeavesTheLogBeforeOrAfter() throws IOException {
        for (int size : List.of(0, 1, 254, 255, 256, 511)) {
            Path at = memory.path().resolve("kill-" + size);
            try (LogWriter writer = LogWriter.open(at, keys, SOON)) {
                for (int i = 0; i < size; i++) {
                    writer.append(entry(i));
                }
            }
            Path after = memory.path().resolve("after-" + size);
            copy(at, after);
            try (LogWriter writer = LogWriter.open(after, keys, SOON)) {
                writer.append(entry(size));
            }
            List<Path> fresh = changed(at, after);
            for (int kept = 0; kept <= fresh.size(); kept++) {
                for (boolean torn : new boolean[] {false, true}) { // the last one as a file system without journal might leave it
                    Path killed = memory.path().resolve("killed");
                    copy(at, killed);
                    for (Path file : fresh.subList(0, kept)) {
                        Files.createDirectories(killed.resolve(file).getParent());
                        byte[] bytes = Files.readAllBytes(after.resolve(file));
                        boolean last = file.equals(fresh.get(kept - 1)) && !file.endsWith("checkpoint");
                        Files.write(killed.resolve(file), torn && last ? Arrays.copyOf(bytes, bytes.length / 2) : bytes);
                    }
                    long now = AuditLog.open(killed, keys.log()).size();
                    assertEquals(kept == fresh.size() ? size + 1 : size, now, size + ", " + fresh.subList(0, kept));
                    try (LogWriter writer = LogWriter.open(killed, keys, SOON)) {
                        for (int i = (int) now; i < size + 3; i++) {
                            writer.append(new LogEntry(Statement.PREDICATE, "other-" + i, START.plusSeconds(1000).toString(),
                                    "11".repeat(32)));
                        }
                    }
                    AuditLog.open(killed, keys.log()).check((_, _) -> { });
                    delete(killed);
                }
            }
        }
    }

    /** Files of the second folder that the first has not or has otherwise, as they are written: the checkpoint last. */
    private static List<Path> changed(Path before, Path after) throws IOException {
        try (Stream<Path> all = Files.walk(after)) {
            List<Path> files = new ArrayList<>();
            for (Path file : all.filter(Files::isRegularFile).map(after::relativize).sorted().toList()) {
                if (!Files.exists(before.resolve(file)) || Files.mismatch(before.resolve(file), after.resolve(file)) >= 0) {
                    files.add(file);
                }
            }
            files.sort((a, b) -> Boolean.compare(a.endsWith("checkpoint"), b.endsWith("checkpoint")));
            return files;
        }
    }

    static void copy(Path from, Path to) throws IOException {
        try (Stream<Path> all = Files.walk(from)) {
            for (Path path : (Iterable<Path>) all::iterator) {
                Files.copy(path, to.resolve(from.relativize(path).toString()));
            }
        }
    }

    static void delete(Path folder) throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    @Test
    void tilesWithoutAHeadAreALossAndNotAStart() throws IOException {
        try (LogWriter writer = writer()) {
            writer.append(entry(0));
        }
        Files.delete(root.resolve("checkpoint"));
        assertEquals(root.resolve("checkpoint") + ": is missing and there are tiles: the log lost its head; put it back, or"
                + " begin another"
                + " log", assertThrows(DamagedDataException.class, this::writer).getMessage());
    }

    @Test
    void nothingIsSignedOnTopOfDamage() throws IOException {
        try (LogWriter writer = writer()) {
            for (int i = 0; i < 300; i++) {
                writer.append(entry(i));
            }
        }
        for (String name : List.of("tile/entries/000", "tile/entries/001.p/44", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1",
                "checkpoint", "vkey")) {
            Path file = root.resolve(name);
            byte[] whole = Files.readAllBytes(file);
            byte[] flipped = whole.clone();
            flipped[whole.length / 2] ^= 4;
            Files.write(file, flipped);
            String said = assertThrows(RuntimeException.class, this::writer).getMessage();
            assertTrue(said.contains(name), said);
            Files.write(file, whole);
        }
        writer().close();
    }

    @Test
    void aRequestIdIsUsedOnceAndTheClockDoesNotRunBackwards() {
        try (LogWriter writer = writer()) {
            writer.append(entry(7));
            assertEquals("request R-7: has a certificate already, entry 0 of " + root + ", of " + START.plusSeconds(7)
                    + "; give each request an id of its own", assertThrows(BadInputException.class,
                            () -> writer.append(new LogEntry(Statement.PREDICATE, "R-7", START.plusSeconds(9).toString(),
                                    "x"))).getMessage());
            assertEquals("the clock says " + START.plusSeconds(6) + ", and the last entry of " + root + " is of "
                    + START.plusSeconds(7)
                    + ": one of the two clocks is wrong; set this one right",
                    assertThrows(BadInputException.class, () -> writer.append(entry(6))).getMessage());
            assertEquals(1, writer.append(new LogEntry(Statement.PREDICATE, "R-8", START.plusSeconds(7).toString(), "x")),
                    "the same second");
        }
    }

    @Test
    void anotherKeyDoesNotContinueALog() {
        writer().close();
        String said = assertThrows(BadInputException.class, () -> LogWriter.open(root, MadeUpRun.freshKeys(), SOON)).getMessage();
        assertTrue(said.startsWith(root.resolve("vkey") + ": this log was begun with another key (" + keys.log().name() + ")"),
                said);
    }

    @Test
    void aSecondWriterWaitsAndThenSaysWhy() throws Exception {
        LogWriter first = writer();
        assertEquals(root + ": another process is writing this audit log; try again when it has ended",
                assertThrows(BadInputException.class, this::writer).getMessage());
        try (ExecutorService other = Executors.newSingleThreadExecutor()) {
            Future<Long> waiting = other.submit(() -> {
                try (LogWriter second = LogWriter.open(root, keys, Duration.ofSeconds(20))) {
                    return second.append(entry(1));
                }
            });
            first.append(entry(0));
            first.close();
            assertEquals(1, waiting.get());
        }
        try (LockFile _ = LockFile.take(root.resolve("lethe.lock"), "")) {
            assertThrows(BadInputException.class, this::writer);
            assertEquals(2, open().size(), "reading needs no lock");
        }
    }

    @Test
    void writersInTurnLoseNothing() throws Exception {
        try (ExecutorService all = Executors.newFixedThreadPool(4)) {
            List<Callable<Long>> appends = new ArrayList<>();
            for (int i = 0; i < 24; i++) {
                String request = "T-" + i;
                appends.add(() -> {
                    try (LogWriter writer = LogWriter.open(root, keys, Duration.ofSeconds(30))) {
                        return writer.append(new LogEntry(Statement.PREDICATE, request, START.toString(), "x"));
                    }
                });
            }
            List<Long> indexes = new ArrayList<>();
            for (Future<Long> append : all.invokeAll(appends)) {
                indexes.add(append.get());
            }
            assertEquals(24, indexes.stream().distinct().count());
        }
        open().check((_, _) -> { });
        assertEquals(24, open().size());
    }

    /** Written tile by tile; what is timed is the proof from a cold object, which reads the tiles on its way alone. */
    @Test
    void aMillionEntriesAreVerifiedInUnderASecond() throws IOException {
        int size = 1_000_000;
        long start = System.nanoTime();
        byte[] root = fill(this.root, size, keys);
        double written = (System.nanoTime() - start) / 1e9;
        start = System.nanoTime();
        AuditLog log = open();
        log.requireEntry(123_456, entry(123_456).bytes());
        log.requireExtends(new TreeHead(keys.log().name(), 0, Sha256.of()), "none");
        log.inclusion(size - 1).verify(entry(size - 1).bytes(), keys.log(), "proof");
        double proved = (System.nanoTime() - start) / 1e9;
        assertArrayEquals(root, log.head().root());
        start = System.nanoTime();
        long[] seen = {0};
        log.check((_, _) -> seen[0]++);
        double all = (System.nanoTime() - start) / 1e9;
        assertEquals(size, seen[0]);
        System.getLogger("dev.lethe.proof").log(System.Logger.Level.INFO,
                "a million entries: written in {0} s, one verified in {1} s, all in {2} s", written, proved, all);
        assertTrue(proved < 1, proved + " s");
    }

    /** A log of {@link #entry} 0 to size − 1, without its partial tiles of smaller sizes. */
    static byte[] fill(Path root, int size, SigningKeys keys) throws IOException {
        List<byte[]> hashes = new ArrayList<>();
        ByteArrayOutputStream bundle = new ByteArrayOutputStream();
        String[] around = new String(entry(0).bytes()).split("R-0|" + START);
        for (int i = 0; i < size; i++) {
            byte[] bytes = (around[0] + "R-" + i + around[1] + START.plusSeconds(i) + around[2]).getBytes();
            hashes.add(Merkle.leaf(bytes));
            bundle.writeBytes(ByteBuffer.allocate(2).putShort((short) bytes.length).array());
            bundle.writeBytes(bytes);
            if (i % 256 == 255 || i == size - 1) {
                put(AuditLog.file(root, "entries", i / 256, i % 256 + 1), bundle.toByteArray());
                bundle.reset();
            }
        }
        for (int level = 0; !hashes.isEmpty(); level++) {
            List<byte[]> above = new ArrayList<>();
            for (int n = 0; n * 256 < hashes.size(); n++) {
                List<byte[]> tile = hashes.subList(n * 256, Math.min(hashes.size(), (n + 1) * 256));
                ByteArrayOutputStream bytes = new ByteArrayOutputStream();
                tile.forEach(bytes::writeBytes);
                put(AuditLog.file(root, String.valueOf(level), n, tile.size()), bytes.toByteArray());
                if (tile.size() == 256) {
                    above.add(ProofVectorsTest.mth(tile));
                }
            }
            hashes = above;
        }
        byte[] head = Merkle.root(AuditLog.at(root, size)::node, size);
        put(root.resolve("vkey"), (keys.log().text() + "\n").getBytes());
        put(root.resolve("checkpoint"), keys.log().sign(new TreeHead(keys.log().name(), size, head).text(),
                keys).getBytes("UTF-8"));
        return head;
    }

    private static void put(Path file, byte[] bytes) throws IOException {
        Files.createDirectories(file.getParent());
        Files.write(file, bytes);
    }
}
