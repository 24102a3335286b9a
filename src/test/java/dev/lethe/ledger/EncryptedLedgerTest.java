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
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A ledger under keys holds what one in the clear holds, and gives it to nobody else, changed or out of place. */
class EncryptedLedgerTest {
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

    private Path segment(Path of, int number) {
        return of.resolve(LedgerFolder.segmentName(number));
    }

    @Test
    void givesBackWhatWasWrittenAndTheFilesDoNotShowIt() throws IOException {
        LedgerFixture.assertHolds(ledger, COUNT);
        Files.delete(ledger.resolve("index"));
        LedgerFixture.assertHolds(ledger, COUNT);
        assertTrue(GradientLedger.check(ledger).whole());
        try (GradientLedger open = GradientLedger.open(ledger)) {
            assertTrue(open.entries().stream().allMatch(Entry::encrypted));
            assertTrue(open.entries().getLast().segment() > 2, "several segments");
            for (int i = 0; i < COUNT; i++) {
                byte[] payload = LedgerFixture.payload(i, LedgerFixture.length(i, 500));
                assertFalse(holds(Files.readAllBytes(segment(ledger, open.entries().get(i).segment())), payload, 16), "entry " + i);
            }
        }
        Path plain = folder.resolve("plain");
        LedgerFixture.create(plain, COUNT, 500, LedgerWriter.SEGMENT_BYTES);
        assertEquals(LedgerManifest.read(new LedgerFolder(plain)).identity(),
                LedgerManifest.read(new LedgerFolder(ledger)).identity(), "keys are no part of what a ledger is of");
    }

    static boolean holds(byte[] bytes, byte[] what, int first) {
        for (int at = 0; at + first <= bytes.length; at++) {
            int same = 0;
            while (same < first && bytes[at + same] == what[same]) same++;
            if (same == first) return true;
        }
        return false;
    }

    @Test
    void payloadsAreZeroedWhenTheyAreClosed() {
        try (GradientLedger open = GradientLedger.open(ledger)) {
            Payloads some = open.payloads(open.entries().subList(0, 5));
            MemorySegment first = some.list().getFirst();
            MemorySegment again = MemorySegment.ofAddress(first.address()).reinterpret(first.byteSize());
            assertFalse(SegmentLayout.isZero(again));
            assertThrows(IllegalArgumentException.class, () -> first.set(ValueLayout.JAVA_BYTE, 0, (byte) 1));
            some.close();
            some.close();
            assertThrows(IllegalStateException.class, () -> first.get(ValueLayout.JAVA_BYTE, 0));
        }
        try (Sealer sealer = new Sealer(LedgerManifest.read(new LedgerFolder(ledger)).keys())) {
            List<MemorySegment> rooms = List.of(sealer.room(1000), sealer.room(17 << 20), sealer.room(64));
            rooms.forEach(room -> room.fill((byte) 1));
            sealer.wipe();
            assertTrue(rooms.stream().allMatch(SegmentLayout::isZero));
            assertEquals(rooms.getFirst().address(), sealer.room(64).address(), "used again");
        }
    }

    @Test
    void copiesAndLinksShareTheKeysAndAreSealedAnew() throws IOException {
        Path linked = folder.resolve("linked");
        Path first = folder.resolve("first");
        Path without = folder.resolve("without");
        GradientLedger.link(ledger, linked);
        GradientLedger.copyFirst(ledger, first, 30);
        GradientLedger.copyWithout(ledger, without, Set.of(key(3)));
        LedgerFixture.assertHolds(linked, COUNT);
        LedgerFixture.assertHolds(first, 30);
        try (GradientLedger open = GradientLedger.open(without)) {
            assertTrue(open.entries().get(3).destroyed());
            for (int i = 4; i < COUNT; i++) assertEntry(open, i);
        }
        try (LedgerWriter writer = LedgerWriter.append(first)) { // as a replay does that parts from the run it came from
            LedgerFixture.fill(writer, 30, COUNT, 400);
        }
        Path resumed = folder.resolve("resumed");
        LedgerFixture.createUnder(keys, resumed, 20, 500, 1 << 13);
        for (int life = 0; life < 5; life++) { // cut back and captured again, at the same places
            try (LedgerWriter writer = LedgerFixture.goOn(resumed, 6, 1 << 13)) {
                LedgerFixture.fill(writer, 6, 20, 500);
            }
        }
        LedgerFixture.assertHolds(resumed, 20);
    }

    @Test
    void noNonceComesTwice() throws IOException {
        Set<ByteBuffer> seen = new HashSet<>();
        addNonces(ledger, 0, seen);
        assertEquals(COUNT, seen.size());
        Path copy = folder.resolve("copy");
        GradientLedger.copyFirst(ledger, copy, 12);
        addNonces(copy, 0, seen);
        assertEquals(COUNT + 12, seen.size(), "the same payloads at the same places, sealed anew");
        for (int life = 1; life <= 8; life++) {
            try (LedgerWriter writer = LedgerWriter.resume(copy, 3)) {
                LedgerFixture.fill(writer, 3, 12, 500);
            }
            addNonces(copy, 3, seen);
            assertEquals(COUNT + 12 + life * 9, seen.size(), "captured again after a cut");
        }
        Destruction.destroy(copy, Set.of(key(0)));
        Compaction.compact(copy);
        addNonces(copy, 1, seen);
        assertEquals(COUNT + 12 + 8 * 9 + 11, seen.size(), "moved by a compaction");
        LedgerFixture.assertHoldsBut(copy, 12, Set.of(0));
    }

    private static void addNonces(Path of, int first, Set<ByteBuffer> seen) throws IOException {
        try (GradientLedger open = GradientLedger.open(of)) {
            for (Entry entry : open.entries().subList(first, open.entries().size())) {
                byte[] bytes = Files.readAllBytes(of.resolve(LedgerFolder.segmentName(entry.segment())));
                int at = (int) (entry.offset() + SegmentLayout.NONCE_OFFSET);
                seen.add(ByteBuffer.wrap(Arrays.copyOfRange(bytes, at, at + SegmentLayout.NONCE_BYTES)));
            }
        }
    }

    /** Changes the bytes of one entry and makes all its checksums hold. */
    private void tamper(Entry entry, Consumer<MemorySegment> change) throws IOException {
        Path file = segment(ledger, entry.segment());
        byte[] bytes = Files.readAllBytes(file);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment all = arena.allocate(bytes.length, 64).copyFrom(MemorySegment.ofArray(bytes));
            MemorySegment frame = all.asSlice(entry.offset(), SegmentLayout.frameBytes(entry.length()));
            change.accept(frame);
            long body = SegmentLayout.padded(entry.length());
            frame.set(ValueLayout.JAVA_INT, SegmentLayout.ENTRY_CRC_OFFSET, SegmentLayout.headerCrc(frame));
            SegmentLayout.writeMarker(frame.asSlice(128 + body), entry.offset(), SegmentLayout.crc(frame.asSlice(128, body)),
                    SegmentLayout.headerCrc(frame));
            Files.write(file, all.toArray(ValueLayout.JAVA_BYTE));
        }
        Files.deleteIfExists(ledger.resolve("index"));
    }

    private void assertTampered(Entry place, String what) {
        try (GradientLedger open = GradientLedger.open(ledger)) {
            Entry now = open.entries().stream().filter(entry -> entry.segment() == place.segment()
                    && entry.offset() == place.offset()).findFirst().orElseThrow();
            DamagedDataException refused = assertThrows(DamagedDataException.class, () -> open.payload(now));
            assertTrue(refused.getMessage().contains(what), refused.getMessage());
            assertTrue(refused.getMessage().contains("segment-000000.ledger at byte " + place.offset()), refused.getMessage());
        }
        List<LedgerCheck.Damage> damage = GradientLedger.check(ledger).damage();
        assertEquals(1, damage.size(), damage.toString());
        assertTrue(damage.getFirst().what().contains(what), damage.toString());
    }

    @Test
    void tamperingIsToldFromDamage() throws IOException {
        byte[] whole = Files.readAllBytes(segment(ledger, 0));
        Entry first;
        Entry second;
        try (GradientLedger open = GradientLedger.open(ledger)) {
            first = open.entries().get(0);
            second = open.entries().get(1);
        }
        byte[] broken = whole.clone();
        broken[(int) first.offset() + 128 + 7] ^= 1;
        Files.write(segment(ledger, 0), broken);
        assertTampered(first, "the payload does not match its checksum");

        Files.write(segment(ledger, 0), whole);
        tamper(first, frame -> frame.set(ValueLayout.JAVA_BYTE, 128 + 7, (byte) (frame.get(ValueLayout.JAVA_BYTE, 128 + 7) ^ 1)));
        assertTampered(first, "somebody changed, moved or exchanged the entry");

        Files.write(segment(ledger, 0), whole); // an id's gradients given to another, a step, a weight, another nonce, a longer one
        for (long at : new long[] {24, 40, 56, 64, 72, 84, 88, SegmentLayout.NONCE_OFFSET, 126}) {
            Files.write(segment(ledger, 0), whole);
            tamper(first, frame -> frame.set(ValueLayout.JAVA_BYTE, at, (byte) (frame.get(ValueLayout.JAVA_BYTE, at) ^ 1)));
            try (GradientLedger open = GradientLedger.open(ledger)) {
                Entry now = open.entries().getFirst();
                assertThrows(DamagedDataException.class, () -> open.payload(now), "byte " + at);
            } catch (DamagedDataException e) {
                assertTrue(at == 56, "only a wrong place is found on opening");
            }
        }
        Files.write(segment(ledger, 0), whole); // the key's own record, another place
        MemorySegment source = MemorySegment.ofArray(whole);
        tamper(first, frame -> {
            long bytes = Math.min(first.length(), second.length());
            frame.asSlice(128, bytes).copyFrom(source.asSlice(second.offset() + 128, bytes));
        });
        assertTampered(first, "somebody changed, moved or exchanged the entry");

        Files.write(segment(ledger, 0), whole); // a plain one of the forger's own
        tamper(first, frame -> frame.set(ValueLayout.JAVA_INT, 16, 1));
        assertTampered(first, "somebody put it there");
        Files.write(segment(ledger, 0), whole);
        LedgerFixture.assertHolds(ledger, COUNT);
    }

    @Test
    void aBackupMadeBeforeAnErasureIsDeadForTheErasedAndReadableForTheOthers() throws IOException {
        Path backup = folder.resolve("backup");
        LedgerFixture.copy(ledger, backup);
        Path keysBackup = folder.resolve("keys-backup");
        LedgerFixture.copy(keys, keysBackup);
        assertEquals(1, Destruction.destroy(ledger, Set.of(key(7))));
        try (GradientLedger open = GradientLedger.open(backup)) {
            assertFalse(open.entries().get(7).destroyed(), "the copy is as it was");
            DamagedDataException gone = assertThrows(DamagedDataException.class, () -> open.payload(open.entries().get(7)));
            assertTrue(gone.getMessage().contains("the record's key is not in " + WrappedKeys.file(keys)), gone.getMessage());
            for (int i = 0; i < COUNT; i++) if (i != 7) assertEntry(open, i);
        }
        assertEquals(1, GradientLedger.check(backup).damage().size());
        Path kek = LedgerKeysTest.only(keys);
        Path oldKek = LedgerKeysTest.only(keysBackup);
        assertNotEquals(kek.getFileName(), oldKek.getFileName(), "a new key-encryption key");
        byte[] now = Files.readAllBytes(WrappedKeys.file(keys));
        Files.copy(WrappedKeys.file(keysBackup), WrappedKeys.file(keys), StandardCopyOption.REPLACE_EXISTING);
        try (GradientLedger open = GradientLedger.open(backup)) { // the older file of keys alone opens nothing
            BadInputException dead = assertThrows(BadInputException.class, () -> open.payload(open.entries().get(7)));
            assertTrue(dead.getMessage().startsWith(keys.resolve(oldKek.getFileName()) + ": is not there"), dead.getMessage());
        }
        Files.write(WrappedKeys.file(keys), now);
        LedgerFixture.assertHoldsBut(ledger, COUNT, Set.of(7));
        assertEquals(0, Destruction.destroy(ledger, Set.of(key(7))), "safe to repeat");
        assertEquals(kek, LedgerKeysTest.only(keys), "and no reason for another key");
    }

    @Test
    void aDestructionNeedsTheLedgerFirstAndTellsEveryFailure() throws IOException {
        byte[] before = Files.readAllBytes(WrappedKeys.file(keys));
        try (LedgerWriter _ = LedgerWriter.append(ledger)) {
            assertThrows(BadInputException.class, () -> Destruction.destroy(ledger, Set.of(key(3))));
        }
        assertArrayEquals(before, Files.readAllBytes(WrappedKeys.file(keys)), "no key went");
        Files.move(keys, folder.resolve("away"));
        Files.delete(segment(ledger, 1));
        BadInputException both = assertThrows(BadInputException.class, () -> Destruction.destroy(ledger, Set.of(key(3))));
        assertTrue(both.getMessage().contains("is not there"), both.getMessage());
        assertTrue(both.getSuppressed()[0] instanceof DamagedDataException, Arrays.toString(both.getSuppressed()));
    }

    @Test
    void aTailThatWasNotCommittedDoesNotOutliveTheMove() throws IOException {
        byte[] clear = LedgerFixture.payload(0, LedgerFixture.length(0, 500));
        Path last;
        try (GradientLedger open = GradientLedger.open(ledger)) {
            last = segment(ledger, open.entries().getLast().segment());
        }
        Files.delete(ledger.resolve("index"));
        Files.write(last, clear, StandardOpenOption.APPEND);
        assertTrue(holds(Files.readAllBytes(last), clear, 16));
        Compaction.encrypt(ledger, keys);
        assertFalse(holds(Files.readAllBytes(last), clear, 16));
        LedgerFixture.assertHolds(ledger, COUNT);
    }
}
