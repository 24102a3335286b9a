package dev.lethe.ledger;

import static dev.lethe.ledger.LedgerFixture.assertEntry;
import static dev.lethe.ledger.LedgerFixture.key;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where the keys of a ledger lie: what is missing, changed, turned or put beside them. */
class LedgerKeysTest {
    private static final int COUNT = 60;

    @TempDir
    Path folder;
    private Path ledger;
    private Path keys;

    @BeforeEach
    void write() {
        ledger = folder.resolve("run/ledger");
        keys = folder.resolve("keys");
        LedgerFixture.createUnder(keys, ledger, COUNT, 500, 1 << 13);
    }

    @Test
    void missingOtherAndDamagedKeysAreToldApart() throws IOException {
        Path away = folder.resolve("away");
        Files.move(keys, away);
        assertSays(BadInputException.class, WrappedKeys.file(keys) + ": is not there; bring the folder back, or say where it lies by"
                + " LETHE_LEDGER_KEYS=DIR");
        assertThrows(BadInputException.class, () -> GradientLedger.check(ledger));
        assertThrows(BadInputException.class, () -> Destruction.destroy(ledger, Set.of(key(1))));
        try (GradientLedger open = GradientLedger.open(ledger)) {
            assertTrue(open.entries().get(1).destroyed(), "it was overwritten all the same");
        }
        System.setProperty(LedgerKeys.MOVED, away.toString());
        try {
            LedgerFixture.assertHoldsBut(ledger, COUNT, Set.of(1));
        } finally {
            System.clearProperty(LedgerKeys.MOVED);
        }
        LedgerKeys.openOrMake(keys);
        assertSays(BadInputException.class, keys + ": holds other keys (");
        LedgerFixture.delete(keys);
        LedgerFixture.copy(away, keys);
        byte[] bytes = Files.readAllBytes(WrappedKeys.file(keys));
        byte[] broken = bytes.clone();
        broken[20] ^= 1;
        Files.write(WrappedKeys.file(keys), broken);
        assertSays(DamagedDataException.class, WrappedKeys.file(keys) + ": is damaged");
        broken = bytes.clone();
        broken[64 + 20] ^= 1; // the first slot: record 0's, and no other's
        Files.write(WrappedKeys.file(keys), broken);
        LedgerFixture.assertHoldsBut(ledger, COUNT, Set.of(1, 0), true);
        Files.write(WrappedKeys.file(keys), Arrays.copyOf(bytes, bytes.length - 10)); // as a kill cuts it
        LedgerFixture.assertHoldsBut(ledger, COUNT, Set.of(1, COUNT - 1), true);
        Files.write(WrappedKeys.file(keys), bytes);
        Path kek = only(keys);
        String other = Files.readString(kek).replace('a', 'b').replace('1', '2');
        Files.writeString(kek, other);
        assertSays(DamagedDataException.class, kek + ": is damaged or another key");
        Files.delete(kek);
        assertSays(BadInputException.class, kek + ": is not there; it opens ledger.keys beside it");
        assertThrows(BadInputException.class, () -> LedgerKeys.rotate(folder.resolve("nowhere")));
        assertThrows(BadInputException.class, () -> LedgerKeys.requireOutside(folder.resolve("run/ledger/../k"), folder.resolve("run")));
    }

    @Test
    void keysWhoseFileIsMissingAreNotMadeAnewAndOtherFilesStay() throws IOException {
        Path saved = folder.resolve("saved.keys");
        Files.move(WrappedKeys.file(keys), saved);
        Path kek = only(keys);
        BadInputException refused = assertThrows(BadInputException.class, () -> LedgerKeys.openOrMake(keys));
        assertTrue(refused.getMessage().startsWith(WrappedKeys.file(keys) + ": is missing beside " + kek.getFileName()),
                refused.getMessage());
        assertEquals(kek, only(keys));
        Path other = Files.createDirectory(folder.resolve("other"));
        Files.writeString(other.resolve("movie.part-1"), "mine");
        assertThrows(BadInputException.class, () -> LedgerKeys.rotate(other));
        try (var files = Files.list(other)) {
            assertEquals(List.of(other.resolve("movie.part-1")), files.toList(), "no lock, and nothing is deleted");
        }
        Files.move(saved, WrappedKeys.file(keys));
        Files.writeString(keys.resolve("movie.part-1"), "mine");
        Files.writeString(keys.resolve("ledger.keys.part-17"), "half");
        Files.writeString(keys.resolve(kek.getFileName() + ".part-17"), "half");
        LedgerKeys.rotate(keys);
        try (var files = Files.list(keys)) {
            assertEquals(Set.of("movie.part-1", "ledger.keys", "keys.lock", only(keys).getFileName().toString()),
                    Set.copyOf(files.map(file -> file.getFileName().toString()).toList()));
        }
        LedgerFixture.assertHolds(ledger, COUNT);
    }

    @Test
    void keysAreMadeWhereTheyWillBeLookedForAndNotThroughALinkIntoTheRun() throws IOException {
        Path plain = folder.resolve("plain/ledger");
        LedgerFixture.create(plain, 3, 500, LedgerWriter.SEGMENT_BYTES);
        byte[] manifest = Files.readAllBytes(plain.resolve("manifest.json"));
        Path other = folder.resolve("other");
        System.setProperty(LedgerKeys.MOVED, keys.toString());
        try {
            BadInputException refused = assertThrows(BadInputException.class, () -> Compaction.encrypt(plain, other));
            assertTrue(refused.getMessage().startsWith(other + ": LETHE_LEDGER_KEYS names another folder, " + keys), refused.getMessage());
        } finally {
            System.clearProperty(LedgerKeys.MOVED);
        }
        Path link = Files.createSymbolicLink(folder.resolve("link"), plain);
        assertThrows(BadInputException.class, () -> Compaction.encrypt(plain, link.resolve("new/keys")));
        assertFalse(Files.exists(other) || Files.exists(plain.resolve("new")), "nothing is made");
        assertArrayEquals(manifest, Files.readAllBytes(plain.resolve("manifest.json")));
    }

    @Test
    void rotationLeavesTheSegmentsAlone() throws IOException {
        byte[] before = Files.readAllBytes(ledger.resolve(LedgerFolder.segmentName(0)));
        Path old = only(keys);
        try (GradientLedger open = GradientLedger.open(ledger);
                LedgerWriter writer = LedgerWriter.append(ledger)) {
            assertEntry(open, 0);
            assertEquals(COUNT, LedgerKeys.rotate(keys));
            assertNotEquals(old, only(keys));
            assertEntry(open, 1); // who has them open goes on
            LedgerFixture.append(writer, COUNT, 100);
            writer.commit();
        }
        assertArrayEquals(before, Files.readAllBytes(ledger.resolve(LedgerFolder.segmentName(0))));
        LedgerFixture.assertHolds(ledger, COUNT + 1);
    }

    @Test
    void keysAreForTheirOwnerAndNameNobody() throws IOException {
        try (var files = Files.list(keys)) {
            for (Path file : files.toList())
                assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
        }
        byte[] bytes = Files.readAllBytes(WrappedKeys.file(keys));
        for (int i = 0; i < COUNT; i++) {
            ByteBuffer name = ByteBuffer.allocate(16).putLong(key(i).high()).putLong(key(i).low());
            assertFalse(EncryptedLedgerTest.holds(bytes, name.array(), 8));
        }
    }

    private void assertSays(Class<? extends RuntimeException> kind, String what) {
        try (GradientLedger open = GradientLedger.open(ledger)) {
            RuntimeException refused = assertThrows(kind, () -> open.payload(open.entries().getFirst()));
            assertTrue(refused.getMessage().startsWith(what), refused.getMessage());
        }
    }

    static Path only(Path keys) throws IOException {
        try (var files = Files.list(keys)) {
            List<Path> found = files.filter(file -> file.toString().endsWith(".kek")).toList();
            assertEquals(1, found.size(), found.toString());
            return found.getFirst();
        }
    }
}
