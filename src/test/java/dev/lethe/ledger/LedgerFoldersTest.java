package dev.lethe.ledger;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.PrivateFiles;
import dev.lethe.shape.Dtype;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/**
 * A ledger of three folders against the same ledger in one: the first half of the steps lies in its own folder, then two ranks capture
 * half of each batch of eight each. Whatever writes reaches all of them.
 */
class LedgerFoldersTest {
    private static final long SMALL = 4096;
    private static final int COUNT = 96;
    private static final int ALONE = 40;
    private static final Set<Integer> GONE = Set.of(3, 41, 47); // one in each folder
    private static final Set<Entry.RecordKey> SOME = GONE.stream().map(LedgerFixture::key).collect(Collectors.toSet());

    @TempDir
    Path folder;

    private Path split() {
        Path ledger = folder.resolve("ledger");
        LedgerFixture.create(ledger, ALONE, 500, SMALL);
        LedgerWriter.addFolders(ledger, List.of("rank-0000", "rank-0001"));
        ranks(ledger, LedgerFixture.manifest(), LedgerFixture.manifest());
        return ledger;
    }

    private static void ranks(Path ledger, LedgerManifest first, LedgerManifest second) {
        try (LedgerWriter one = LedgerWriter.create(ledger.resolve("rank-0000"), first, SMALL);
                LedgerWriter two = LedgerWriter.create(ledger.resolve("rank-0001"), second, SMALL)) {
            for (int i = ALONE; i < COUNT; i++) LedgerFixture.append(i % 8 < 4 ? one : two, i, LedgerFixture.length(i, 500));
            one.commit();
            two.commit();
        }
    }

    @Test
    void ranksGiveTheOrderOfOneRank() throws IOException {
        Path ledger = split();
        LedgerFixture.assertHolds(ledger, COUNT);
        try (GradientLedger open = GradientLedger.open(ledger)) {
            assertEquals(List.of("rank-0000", "rank-0001"), open.folders());
            for (int i = 0; i < COUNT; i++) assertEquals(LedgerFixture.key(i), open.entries().get(i).header().key());
            LedgerCheck check = open.verify();
            assertTrue(check.whole(), check.toString());
            assertEquals(COUNT, check.entries());
            assertEquals(open.bytes(), check.bytes());
        }
        for (String name : new String[] {"", "rank-0000/", "rank-0001/"}) Files.delete(ledger.resolve(name + "index"));
        LedgerFixture.assertHolds(ledger, COUNT); // without indexes, too
    }

    @Test
    void whatIsThereIsCleanedThoughAFolderIsMissing() throws IOException {
        Path ledger = split();
        Files.move(ledger.resolve("rank-0000"), folder.resolve("away"));
        DamagedDataException missing = assertThrows(DamagedDataException.class, () -> Destruction.destroy(ledger, SOME));
        assertTrue(missing.getMessage().contains("its folder rank-0000 is missing"), missing.getMessage());
        Files.move(folder.resolve("away"), ledger.resolve("rank-0000"));
        assertEquals(1, Destruction.destroy(ledger, SOME)); // all that was left
        LedgerFixture.assertHoldsBut(ledger, COUNT, GONE);
    }

    @Test
    void destroyingCompactingLinkingAndCopyingReachEveryFolder() throws IOException {
        Path ledger = split();
        Path linked = folder.resolve("linked");
        GradientLedger.link(ledger, linked);
        LedgerFixture.assertHolds(linked, COUNT);
        assertEquals(3, Destruction.destroy(linked, SOME));
        for (Path one : List.of(ledger, linked)) {
            LedgerFixture.assertHoldsBut(one, COUNT, GONE);
            assertTrue(GradientLedger.check(one).whole());
        }
        assertEquals(0, Destruction.destroy(ledger, SOME), "links share what is destroyed");
        for (int i : new int[] {3, 41, 47})
            assertFalse(holds(ledger, LedgerFixture.payload(i, LedgerFixture.length(i, 500))), "entry " + i);

        assertThrows(BadInputException.class, () -> Compaction.compact(ledger), "shared");
        PrivateFiles.deleteTree(linked);
        Compaction done = Compaction.compact(ledger);
        assertEquals(COUNT, done.entries());
        assertEquals(3, done.destroyed());
        assertEquals(3, done.rewritten());
        assertTrue(done.bytesAfter() < done.bytesBefore());
        LedgerFixture.assertHoldsBut(ledger, COUNT, GONE);

        GradientLedger.copyWithout(ledger, folder.resolve("copy"), Set.of(LedgerFixture.key(90)));
        GradientLedger.copyFirst(ledger, folder.resolve("first"), 50);
        for (String name : new String[] {"copy", "first"}) assertFalse(Files.exists(folder.resolve(name).resolve("rank-0000")), name);
        try (GradientLedger copy = GradientLedger.open(folder.resolve("copy"))) {
            assertEquals(List.of(3, 41, 47, 90), IntStream.range(0, COUNT).filter(i -> copy.entries().get(i).destroyed()).boxed().toList());
            LedgerFixture.assertEntry(copy, 95);
        }
        LedgerFixture.assertHoldsBut(folder.resolve("first"), 50, GONE);
    }

    @Test
    void anErasureGoesOnPastAFolderThatCannotBeWritten() {
        Path ledger = split();
        try (LedgerWriter busy = LedgerWriter.append(ledger.resolve("rank-0000"))) {
            String message = assertThrows(BadInputException.class, () -> Destruction.destroy(ledger, SOME)).getMessage();
            assertTrue(message.contains("rank-0000 is being written by process"), message);
        }
        try (GradientLedger open = GradientLedger.open(ledger)) {
            assertTrue(open.entries().get(3).destroyed() && open.entries().get(47).destroyed(), "in the others");
            assertFalse(open.entries().get(41).destroyed());
        }
        assertEquals(1, Destruction.destroy(ledger, SOME));
    }

    @Test
    void foldersUnderKeysAreReadAndDestroyedByTheirs() {
        Path ledger = folder.resolve("ledger");
        LedgerKeys keys = LedgerKeys.openOrMake(folder.resolve("keys"));
        LedgerManifest manifest = LedgerFixture.manifest().under(keys);
        LedgerFixture.createUnder(folder.resolve("keys"), ledger, ALONE, 500, SMALL);
        LedgerWriter.addFolders(ledger, List.of("rank-0000", "rank-0001"));
        ranks(ledger, manifest, manifest);
        LedgerFixture.assertHolds(ledger, COUNT);
        assertEquals(3, Destruction.destroy(ledger, SOME));
        LedgerFixture.assertHoldsBut(ledger, COUNT, GONE);
        assertTrue(GradientLedger.check(ledger).whole());

        Path clear = folder.resolve("clear");
        LedgerFixture.create(clear, ALONE, 500, SMALL);
        LedgerWriter.addFolders(clear, List.of("rank-0000", "rank-0001"));
        ranks(clear, LedgerFixture.manifest(), LedgerFixture.manifest());
        Compaction.encrypt(clear, folder.resolve("keys"));
        try (GradientLedger open = GradientLedger.open(clear)) {
            assertTrue(open.entries().stream().allMatch(Entry::encrypted));
        }
        LedgerFixture.assertHolds(clear, COUNT);
    }

    @Test
    void damageInAFolderIsNamedWithIt() throws IOException {
        Path ledger = split();
        Path segment = ledger.resolve("rank-0001/segment-000000.ledger");
        byte[] bytes = Files.readAllBytes(segment);
        bytes[400] ^= 1;
        Files.write(segment, bytes);
        LedgerCheck check = GradientLedger.check(ledger);
        assertEquals("rank-0001/segment-000000.ledger", check.damage().getFirst().file());
        try (GradientLedger open = GradientLedger.open(ledger)) {
            Entry first = open.entries().get(ALONE + 4);
            String message = assertThrows(DamagedDataException.class, () -> open.payload(first)).getMessage();
            assertTrue(message.startsWith(segment + " at byte 64: "), message);
        }
    }

    @Test
    void whatIsNoPartOfTheLedgerIsRefusedByName() throws IOException {
        Path ledger = split();
        refused(ledger, () -> LedgerWriter.append(ledger), "ledger " + ledger + " lies in several folders: go on with one of [rank-0000,"
                + " rank-0001] in it, or name a new one");
        Path second = ledger.resolve("rank-0001");
        Files.move(second, folder.resolve("elsewhere"));
        assertEquals("ledger " + ledger + " is damaged: its folder rank-0001 is missing, and the gradients in it; put it back, or"
                + " resume the training if it was cut off before it made the folder",
                assertThrows(DamagedDataException.class, () -> GradientLedger.open(ledger)).getMessage());
        Files.createSymbolicLink(second, folder.resolve("elsewhere"));
        refused(ledger, () -> GradientLedger.open(ledger), second + ": is a link; a ledger's folders lie in it themselves, another disk is"
                + " mounted there");
        Files.delete(second);
        LedgerManifest manifest = LedgerFixture.manifest();
        other(ledger, manifest.withRank(3), "its rank of factors is 3, not 0");
        other(ledger, LedgerManifest.of("ff", manifest.shape(), manifest.sites(), 0, Dtype.F32), "its model hash is ff, not 0123abcd");
        other(ledger, LedgerManifest.of("0123abcd", manifest.shape(), manifest.sites(), 0, Dtype.BF16), "its dtype is BF16, not F32");
        other(ledger, LedgerManifest.of("0123abcd", manifest.shape(), List.of("wte"), 0, Dtype.F32),
                "its list of sites is [wte], not [wte, lm_head]");
        other(ledger, LedgerManifest.of("0123abcd", manifest.shape(), manifest.sites(), 5, Dtype.F32), "its head's top k is 5, not 0");
        Files.move(folder.resolve("elsewhere"), second);
        LedgerFixture.create(ledger.resolve("rank-0002"), 3, 100, SMALL);
        refused(ledger, () -> Destruction.destroy(ledger, SOME), ledger.resolve("rank-0002") + ": holds a ledger that "
                + ledger.resolve("manifest.json") + " does not name; if its entries belong to this one bring the manifest back that names"
                + " it, else move it elsewhere");
        for (String name : new String[] {"..", "a/b", "", ".hidden", "/tmp"})
            assertThrows(IllegalArgumentException.class, () -> manifest.withFolders(List.of(name)), name);
        assertThrows(IllegalArgumentException.class, () -> manifest.withFolders(List.of("a", "a")));
    }

    private void other(Path ledger, LedgerManifest manifest, String what) throws IOException {
        Path path = ledger.resolve("rank-0001");
        LedgerWriter.create(path, manifest, SMALL).close();
        refused(ledger, () -> GradientLedger.open(ledger), path + ": is of another training than the ledger " + ledger
                + " that names it: " + what);
        PrivateFiles.deleteTree(path);
    }

    private static void refused(Path ledger, Executable what, String message) {
        assertEquals(message, assertThrows(BadInputException.class, what).getMessage(), ledger.toString());
    }

    private static boolean holds(Path ledger, byte[] payload) throws IOException {
        try (Stream<Path> files = Files.walk(ledger)) {
            for (Path file : files.filter(Files::isRegularFile).toList())
                if (new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1)
                        .contains(new String(payload, 0, 64, StandardCharsets.ISO_8859_1))) return true;
            return false;
        }
    }
}
