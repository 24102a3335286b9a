package dev.lethe.ledger;

import static dev.lethe.ledger.LedgerFixture.assertHolds;
import static dev.lethe.ledger.LedgerFixture.create;
import static dev.lethe.ledger.LedgerFixture.header;
import static dev.lethe.ledger.LedgerFixture.payload;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Torn tails are dropped, flipped bits are reported with their place, and wrong bytes are never handed out. */
class LedgerDamageTest {
    private static final long SMALL = 8192;

    @TempDir
    Path folder;

    @Test
    void aTailTornAtAnyByteIsDropped() throws IOException {
        create(folder, 4, 60, LedgerWriter.SEGMENT_BYTES);
        Path file = folder.resolve("segment-000000.ledger");
        byte[] whole = Files.readAllBytes(file);
        int start;
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            start = (int) ledger.entries().getLast().offset();
        }
        for (int cut = start; cut < whole.length; cut++)
            for (boolean preallocated : new boolean[] {false, true}) {
                byte[] torn = Arrays.copyOf(Arrays.copyOf(whole, cut), preallocated ? whole.length + 4096 : cut);
                Files.deleteIfExists(folder.resolve("index"));
                put(file, torn);
                if (preallocated && Arrays.equals(torn, 0, whole.length, whole, 0, whole.length)) continue;
                assertHolds(folder, 3);
                if (cut % 8 != 0) continue; // recovery by a writer is slower: every eighth
                try (LedgerWriter writer = LedgerWriter.append(folder)) {
                    assertEquals(3, writer.size());
                    LedgerFixture.append(writer, 3, 99);
                    writer.commit();
                }
                assertHolds(folder, 4);
            }
    }

    @Test
    void aFlippedPayloadBitIsReportedWithSegmentAndOffset() throws IOException {
        create(folder, 60, 500, SMALL);
        Entry victim;
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            victim = ledger.entries().get(33);
        }
        Path file = folder.resolve(LedgerFolder.segmentName(victim.segment()));
        flip(file, victim.offset() + 128 + 7, 3);
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            DamagedDataException damaged = assertThrows(DamagedDataException.class, () -> ledger.payload(victim));
            assertEquals(file + " at byte " + victim.offset() + ": the payload does not match its checksum (record "
                    + header(33).key() + ", epoch 0); the entry is not used", damaged.getMessage());
            LedgerFixture.assertEntry(ledger, 32);
            LedgerFixture.assertEntry(ledger, 34);
            LedgerCheck check = ledger.verify();
            assertFalse(check.whole());
            assertEquals(List.of(new LedgerCheck.Damage(file.getFileName().toString(), victim.offset(),
                    "the payload does not match its checksum")), check.damage());
        }
    }

    @Test
    void anotherVersionIsNamed() throws IOException {
        create(folder, 1, 100, SMALL);
        Path manifest = folder.resolve("manifest.json");
        Files.writeString(manifest, Files.readString(manifest).replace("\"version\" : 1", "\"version\" : 7"));
        BadInputException newer = assertThrows(BadInputException.class, () -> GradientLedger.open(folder));
        assertTrue(newer.getMessage().contains("ledger format 7; this version reads formats 1 to 3"), newer.getMessage());
    }

    @Test
    void aMissingOrForeignSegmentIsNamed() throws IOException {
        create(folder, 60, 500, SMALL);
        Path second = folder.resolve("segment-000001.ledger");
        byte[] bytes = Files.readAllBytes(second);
        Files.delete(second);
        assertTrue(damage().contains("segment-000001.ledger is missing"), damage());
        Files.write(second, Files.readAllBytes(folder.resolve("segment-000002.ledger")));
        assertTrue(damage().contains("segment-000001.ledger at byte 0"), damage());
        Files.write(second, Arrays.copyOf(bytes, bytes.length - 64));
        assertTrue(damage().contains("segment-000001.ledger is cut off at byte"), damage());
        Files.delete(folder.resolve("index"));
        assertTrue(damage().contains("segment-000001.ledger at byte"), damage());
        Files.delete(second);
        assertTrue(damage().contains("segment-000001.ledger at byte 0: the segment is missing"), damage());
        Files.write(second, bytes);
        assertHolds(folder, 60);
    }

    @Test
    void entriesMissingFromTheEndOfAnEarlierSegmentAreMissed() throws IOException {
        create(folder, 60, 500, SMALL);
        int first;
        long boundary;
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            first = (int) ledger.entries().stream().filter(entry -> entry.segment() == 0).count();
            boundary = ledger.entries().get(first - 2).offset(); // between two entries: the rest looks whole
        }
        Path file = folder.resolve("segment-000000.ledger");
        put(file, Arrays.copyOf(Files.readAllBytes(file), (int) boundary));
        assertTrue(damage().contains("segment-000000.ledger is cut off"), damage());
        Files.delete(folder.resolve("index"));
        String expected = "segment-000001.ledger at byte 0: this segment begins with entry " + first + ", but "
                + (first - 2) + " were found before it";
        assertTrue(damage().contains(expected), damage());
    }

    @Test
    void aWriterResumesBehindWhatWasSynced() throws IOException {
        for (int kept : List.of(0, 10, 33)) {
            Path ledger = folder.resolve("kept-" + kept);
            create(ledger, 60, 500, SMALL);
            Entry hole;
            Entry last;
            try (GradientLedger whole = GradientLedger.open(ledger)) {
                hole = whole.entries().get(kept);
                last = whole.entries().getLast();
            }
            Path file = ledger.resolve(LedgerFolder.segmentName(hole.segment()));
            zero(file, hole.offset(), 128);
            zero(ledger.resolve(LedgerFolder.segmentName(last.segment())), 0, 64); // and a segment's header
            Files.delete(ledger.resolve(LedgerFolder.segmentName(last.segment() - 1)));
            Files.delete(ledger.resolve("index"));
            assertThrows(DamagedDataException.class, () -> LedgerFixture.goOn(ledger, SMALL).close());
            assertThrows(DamagedDataException.class, () -> LedgerFixture.goOn(ledger, kept + 1, SMALL).close());
            try (LedgerWriter writer = LedgerFixture.goOn(ledger, kept, SMALL)) {
                assertEquals(kept, writer.size());
                LedgerFixture.fill(writer, kept, 60, 500);
            }
            assertHolds(ledger, 60);
            assertTrue(GradientLedger.check(ledger).whole());
        }
    }

    private static void zero(Path file, long from, int bytes) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.allocate(bytes), from);
        }
    }

    private String damage() {
        return assertThrows(DamagedDataException.class, () -> GradientLedger.open(folder).close()).getMessage();
    }

    @Test
    void mutationsNeverGiveWrongBytes() throws IOException {
        mutate(3_000);
    }

    @Test
    @Tag("extended")
    void manyMutationsNeverGiveWrongBytes() throws IOException {
        mutate(100_000);
    }

    private void mutate(int rounds) throws IOException {
        create(folder, 24, 300, SMALL);
        Destruction.destroy(folder, Set.of(LedgerFixture.key(5)));
        List<Path> files = Files.list(folder).filter(f -> !f.toString().endsWith(".lock")).sorted().toList();
        byte[][] whole = new byte[files.size()][];
        for (int i = 0; i < whole.length; i++) whole[i] = Files.readAllBytes(files.get(i));
        Path index = folder.resolve("index");
        byte[] indexBytes = Files.readAllBytes(index);
        SplittableRandom random = new SplittableRandom(7);
        for (int round = 0; round < rounds; round++) {
            int victim = random.nextInt(whole.length);
            byte[] mutated = mutated(whole[victim], random);
            boolean withoutIndex = random.nextInt(3) == 0;
            put(files.get(victim), mutated);
            if (withoutIndex) Files.deleteIfExists(index);
            judge(files.get(victim), whole[victim], mutated, "round " + round + " of " + files.get(victim));
            put(files.get(victim), whole[victim]);
            if (withoutIndex) put(index, indexBytes);
        }
        assertTrue(GradientLedger.check(folder).whole());
    }

    private static byte[] mutated(byte[] whole, SplittableRandom random) {
        byte[] bytes = whole.clone();
        int at = random.nextInt(bytes.length);
        switch (random.nextInt(8)) {
            case 0 -> bytes = Arrays.copyOf(bytes, at);
            case 1 -> bytes = Arrays.copyOf(bytes, bytes.length + 1 + random.nextInt(300));
            case 2 -> Arrays.fill(bytes, at, Math.min(bytes.length, at + 1 + random.nextInt(200)), (byte) 0);
            case 3 -> {
                for (int i = at; i < Math.min(bytes.length, at + 16); i++) bytes[i] = (byte) random.nextInt();
            }
            default -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        }
        return bytes;
    }

    /** Whatever is handed out is right; and a change to a segment never passes unnoticed. */
    private void judge(Path file, byte[] whole, byte[] mutated, String what) throws IOException {
        boolean noticed = false;
        try (GradientLedger ledger = GradientLedger.open(folder)) {
            int next = 0;
            for (Entry entry : ledger.entries()) {
                int i = next++;
                try {
                    byte[] bytes = LedgerFixture.bytes(ledger, entry);
                    assertEquals(header(i), entry.header(), what);
                    assertArrayEquals(payload(i, bytes.length), bytes, what);
                } catch (DamagedDataException e) {
                    noticed = true;
                } catch (BadInputException destroyed) {
                    assertEquals(5, i, what);
                }
            }
            noticed |= next != 24 || !ledger.tails().isEmpty();
        } catch (DamagedDataException | BadInputException e) {
            noticed = true;
        }
        if (noticed || Arrays.equals(whole, mutated) || !file.toString().endsWith(".ledger")) return;
        LedgerCheck check = GradientLedger.check(folder); // finds what nobody would use: bytes of a destroyed entry
        boolean wipedAgain = Arrays.equals(whole, Files.readAllBytes(file));
        boolean zerosAtTheEnd = mutated.length > whole.length && check.entries() == 24;
        assertTrue(!check.whole() || !check.tails().isEmpty() || zerosAtTheEnd || wipedAgain, what);
    }

    /** As Files.write, without the truncation to zero that makes some file systems wait for the disk. */
    private static void put(Path file, byte[] bytes) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(bytes));
            channel.truncate(bytes.length);
        }
    }

    private static void flip(Path file, long at, int bit) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        bytes[(int) at] ^= (byte) (1 << bit);
        Files.write(file, bytes);
    }
}
