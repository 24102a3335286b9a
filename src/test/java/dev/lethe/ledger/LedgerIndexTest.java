package dev.lethe.ledger;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lethe.base.DamagedDataException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An index is believed only where the segments bear it out, however right its checksum. */
class LedgerIndexTest {
    private static final int HEADER = 24;
    private static final int SEGMENT = 24;

    @TempDir
    Path folder;
    private Path index;
    private byte[] whole;

    @BeforeEach
    void write() throws IOException {
        try (LedgerWriter writer = LedgerWriter.create(folder, LedgerFixture.manifest())) {
            LedgerFixture.fill(writer, 0, 9, 100);
        }
        index = folder.resolve("index");
        whole = Files.readAllBytes(index);
    }

    @Test
    void forgedCountsAndPlacesCostAScan() throws IOException {
        for (int at : List.of(16, 20)) { // segments, entries
            for (int count : List.of(Integer.MAX_VALUE, -1, 0, 8)) {
                forge(whole, bytes -> bytes.putInt(at, count));
                assertEquals(9, payloads(), "count " + count + " at " + at);
            }
        }
        for (long place : List.of(-64L, 1L << 40, Long.MAX_VALUE)) {
            forge(whole, bytes -> bytes.putLong(HEADER + SEGMENT + 40, place)); // length of the first entry
            assertEquals(9, payloads(), "length " + place);
            forge(whole, bytes -> bytes.putLong(HEADER + SEGMENT + 48, place)); // its offset
            assertEquals(9, payloads(), "offset " + place);
        }
        for (int at : List.of(60, 64, 68)) { // epoch, tokens, targets
            forge(whole, bytes -> bytes.putInt(HEADER + SEGMENT + at, -1));
            assertEquals(9, payloads(), "-1 at " + at);
        }
        forge(whole, bytes -> bytes.putLong(HEADER + SEGMENT + 40, 1)); // a place that could be one
        assertThrows(DamagedDataException.class, this::payloads);
    }

    @Test
    void anIndexWithoutItsSegmentsIsDamage() throws IOException {
        Files.delete(folder.resolve("segment-000000.ledger"));
        assertTrue(assertThrows(DamagedDataException.class, () -> GradientLedger.open(folder)).getMessage()
                .endsWith("segment-000000.ledger is missing, the ledger's index lists it"));
        byte[] none = new byte[whole.length - SEGMENT]; // as an index was written where segments had other digits
        System.arraycopy(whole, 0, none, 0, HEADER);
        System.arraycopy(whole, HEADER + SEGMENT, none, HEADER, none.length - HEADER);
        forge(none, bytes -> bytes.putInt(16, 0));
        assertTrue(assertThrows(DamagedDataException.class, () -> GradientLedger.open(folder)).getMessage()
                .endsWith("segment-000000.ledger is missing, the ledger's index lists entries in it"));
        assertEquals(1, GradientLedger.check(folder).damage().size());
    }

    @Test
    void segmentsNamedInOtherDigitsAreFound(@TempDir Path linked) throws IOException {
        assumeTrue("UTF-8".equals(System.getProperty("sun.jnu.encoding")), "this JVM cannot name such files");
        for (String digits : List.of("٠٠٠٠٠٠", "۰۰۰۰۰۰", "००००००")) { // of ar_EG, fa_IR, mr_IN
            Path segment = folder.resolve("segment-" + digits + ".ledger");
            try (var files = Files.list(folder)) {
                Files.move(files.filter(file -> file.toString().endsWith(".ledger")).findFirst().orElseThrow(), segment);
            }
            assertEquals(9, payloads());
            assertTrue(GradientLedger.check(folder).whole());
        }
        GradientLedger.link(folder, linked);
        assertTrue(Files.exists(linked.resolve("segment-000000.ledger")));
        assertEquals(1, Destruction.destroy(folder, Set.of(LedgerFixture.key(3))));
        assertTrue(GradientLedger.check(folder).whole());
        try (LedgerWriter writer = LedgerWriter.append(folder)) {
            LedgerFixture.fill(writer, 9, 12, 100);
        }
        assertEquals(11, payloads());
    }

    private int payloads() {
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            return (int) ledger.entries().stream().filter(entry -> !entry.destroyed())
                    .filter(entry -> ledger.payload(entry).byteSize() == entry.length()).count();
        }
    }

    private interface Change {
        void to(ByteBuffer bytes);
    }

    /** Writes an index with a change in it, and the checksum that goes with it. */
    private void forge(byte[] from, Change change) throws IOException {
        byte[] bytes = from.clone();
        change.to(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN));
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, bytes.length - 4);
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(bytes.length - 4, (int) crc.getValue());
        Files.write(index, bytes);
    }
}
