package dev.lethe.ledger;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lethe.ledger.Entry.EntryHeader;
import dev.lethe.ledger.Entry.RecordKey;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A ledger of a million entries opens, from its index and without; the log says how long each took. */
@Tag("extended")
class LedgerScaleTest {
    private static final int ENTRIES = 1_000_000;
    private static final int COMMIT = 1000;

    @TempDir
    Path folder;

    @Test
    void aMillionEntriesOpen() throws Exception {
        try (LedgerWriter writer = LedgerWriter.create(folder, LedgerFixture.manifest())) {
            for (int i = 0; i < ENTRIES; i++) {
                writer.reserve(new EntryHeader(RecordKey.of("record-" + i % (ENTRIES / 2)), i / (ENTRIES / 2), i / 8, 1e-4, 1,
                        8, 7), 64).fill((byte) 1);
                if (i % COMMIT == COMMIT - 1) writer.commit();
            }
        }
        for (String how : List.of("index", "index, again", "scan")) {
            if (how.equals("scan")) Files.delete(folder.resolve("index"));
            long start = System.nanoTime();
            try (GradientLedger ledger = GradientLedger.open(folder)) {
                long opened = System.nanoTime() - start;
                assertEquals(ENTRIES, ledger.entries().size());
                assertEquals(ENTRIES / 2, ledger.entries(1).size());
                System.getLogger("dev.lethe.ledger").log(System.Logger.Level.INFO, "{0}: {1} entries in {2} ms", how, ENTRIES,
                        opened / 1_000_000);
            }
        }
    }
}
