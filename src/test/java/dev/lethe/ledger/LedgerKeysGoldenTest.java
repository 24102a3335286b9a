package dev.lethe.ledger;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.Sha256;
import dev.lethe.testing.Python;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Beside a second implementation, src/test/golden/ledger_keys.py, and a ledger that the version before keys wrote. */
class LedgerKeysGoldenTest {
    private static final Path GOLDEN = Path.of(System.getProperty("lethe.root", "."), "src/test/resources/golden/ledger-keys");

    @TempDir
    Path folder;
    private Path keys;

    @BeforeEach
    void copy() throws IOException {
        keys = folder.resolve("keys");
        LedgerFixture.copy(GOLDEN.resolve("keys"), keys);
        LedgerFixture.copy(GOLDEN.resolve("ledger"), folder.resolve("ledger"));
        LedgerFixture.copy(GOLDEN.resolve("plain"), folder.resolve("plain"));
    }

    private static void assertGolden(Path ledger, int gone) {
        try (GradientLedger open = GradientLedger.open(ledger)) {
            assertEquals(5, open.entries().size());
            for (int i = 0; i < 5; i++) {
                Entry entry = open.entries().get(i);
                assertEquals(i % 4 == gone, entry.destroyed());
                if (entry.destroyed()) continue;
                assertEquals(new Entry.EntryHeader(Entry.RecordKey.of("record-" + i % 4), i / 4, i, 0.5, 0.25, 10, 5), entry.header());
                byte[] payload = new byte[100 + 37 * i];
                for (int at = 0; at < payload.length; at++) payload[at] = (byte) (i * 7 + at);
                assertArrayEquals(payload, LedgerFixture.bytes(open, entry));
            }
        }
        assertTrue(GradientLedger.check(ledger).whole());
    }

    @Test
    void readsAndChangesWhatTheOtherMade() {
        Path ledger = folder.resolve("ledger");
        Compaction.encrypt(ledger, keys); // moves nothing: it says where the keys lie here
        assertGolden(ledger, -1);
        Destruction.destroy(ledger, Set.of(Entry.RecordKey.of("record-0")));
        Compaction.compact(ledger);
        assertGolden(ledger, 0);
    }

    @Test
    void readsWhatTheVersionBeforeWroteAndMovesIt() throws IOException {
        Path plain = folder.resolve("plain");
        byte[] manifest = Files.readAllBytes(plain.resolve("manifest.json"));
        assertGolden(plain, -1);
        try (GradientLedger open = GradientLedger.open(plain)) {
            assertFalse(open.entries().stream().anyMatch(Entry::encrypted));
        }
        assertArrayEquals(manifest, Files.readAllBytes(plain.resolve("manifest.json")), "reading leaves it as it is");
        assertEquals(1, Compaction.encrypt(plain, keys).rewritten());
        assertGolden(plain, -1);
    }

    @Test
    void theOtherReadsWhatIsMadeHere() throws IOException {
        Python.assume("cryptography");
        Path made = folder.resolve("made");
        LedgerFixture.createUnder(folder.resolve("own"), made, 9, 200, 4096);
        Destruction.destroy(made, Set.of(LedgerFixture.key(3)));
        StringBuilder told = new StringBuilder();
        for (int i = 0; i < 9; i++)
            if (i != 3) told.append(LedgerFixture.key(i)).append(" 0 ")
                    .append(Sha256.hex(Sha256.of(LedgerFixture.payload(i, LedgerFixture.length(i, 200))))).append('\n');
        assertEquals(told.toString(), Python.script("../golden/ledger_keys.py", "read", made, folder.resolve("own")));
        assertEquals(5, Python.script("../golden/ledger_keys.py", "read", folder.resolve("ledger"), keys).lines().count());
    }
}
