package dev.lethe.erase;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.BadInputException.ConflictException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.PrivateFiles;
import dev.lethe.ledger.LedgerWriter;
import dev.lethe.results.Destroyed;
import dev.lethe.results.EraseListener;
import dev.lethe.results.Erasure;
import dev.lethe.results.TrainListener;
import dev.lethe.run.Lineage;
import dev.lethe.run.PendingErasure;
import dev.lethe.run.PendingErasure.PendingErasureException;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunJson;
import dev.lethe.run.RunLock;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

/** "Destroyed" is true in every run of a lineage, or the erasure is not called done. */
class LineageTest extends LineageFixture {
    @Test
    void ancestorsAndSiblingsLoseTheEntriesToo() {
        String dave = person(0);
        String alice = person(1);
        String bob = person(2);
        Path b = folder.resolve("b");
        Path c = folder.resolve("c");
        Path d = folder.resolve("d");
        erase(a, dave, "b");
        assertGone(dave, a, b);
        assertEquals(3, live(a, alice));
        Erasure second = erase(b, alice, "c");
        assertGone(alice, a, b, c);
        assertEquals(3, second.entriesDestroyed());
        assertEquals(List.of(b + " (3 ledger entries)", a + " (3 ledger entries)", c + " (3 ledger entries)"),
                second.places().stream().map(Object::toString).toList());
        erase(a, bob, "d");
        assertGone(bob, a, b, c, d);
    }

    @Test
    void theAccountTellsTheTrueCountAndNoIds() throws IOException {
        String dave = person(0);
        Erasure erasure = erase(a, dave, "b");
        Path account = folder.resolve("b/journal/erasure.json");
        String text = Files.readString(account);
        Erasure kept = RunJson.read(text, Erasure.class, "account");
        assertEquals(3, kept.entriesDestroyed());
        assertEquals(erasure.places(), kept.places());
        assertEquals(3, kept.records().size());
        assertFalse(text.contains(dave), text);
        assertEquals(Set.of(dave + "-home", dave + "-work", dave + "-friend"), Set.copyOf(erasure.records()));
        assertFalse(Files.exists(folder.resolve("b/journal/pending.json")));
    }

    @Test
    void aSourceThatCannotBeWrittenIsRefusedBeforeTheWork() throws IOException {
        String dave = person(0);
        try (RunLock held = RunLock.take(a.resolve(RunFolder.LOCK))) {
            ConflictException refused = assertThrows(ConflictException.class, () -> erase(a, dave, "b"));
            assertEquals(a + ": another training or erasure is at work in it; wait for it to end, or name another folder",
                    refused.getMessage());
        }
        assertEquals(3, live(a, dave));
        assertNothingBut("a", "people.jsonl", "tokenizer");
    }

    /** A ledger that someone writes at the moment of destruction: the new run is there and nobody calls it done. */
    @Test
    void whatCouldNotBeDestroyedIsPendingEverywhereUntilFinished() throws Exception {
        String dave = person(0);
        Path b = folder.resolve("b");
        try (var busy = new Busy(a.resolve("ledger"))) {
            String message = assertThrows(PendingErasureException.class,
                    () -> erase(a, dave, b, busy.whenWriting())).getMessage();
            assertTrue(message.contains(a + " (3 ledger entries: ledger "), message);
            assertTrue(message.endsWith("finish it with: lethe finish " + b), message);
            assertEquals(3, live(a, dave));
            for (Path run : List.of(a, b)) {
                assertThrows(PendingErasureException.class, () -> RunFolder.open(run), run.toString());
                assertThrows(PendingErasureException.class, () -> OpenRun.open(engine, run).close(), run.toString());
                assertThrows(PendingErasureException.class, () -> OpenRun.finish(run, List.of(), List.of()), run.toString());
            }
        }
        assertEquals(3, OpenRun.finish(a, List.of(), List.of()).getFirst().entriesDestroyed());
        assertGone(dave, a, b);
        RunFolder.open(a);
        RunFolder.open(b);
        assertEquals(List.of(), OpenRun.finish(b, List.of(), List.of()), "nothing is left to finish");
    }

    @Test
    void aSourceThatWasMovedOrDeletedIsFoundOrNamed() throws Exception {
        String dave = person(0);
        Path b = folder.resolve("b");
        Path elsewhere = Files.createDirectories(folder.resolve("far/away")).resolve("old-a");
        try (var busy = new Busy(a.resolve("ledger"))) {
            assertThrows(PendingErasureException.class, () -> erase(a, dave, b, busy.whenWriting()));
        }
        Files.move(a, elsewhere);
        String message = assertThrows(PendingErasureException.class, () -> OpenRun.finish(b, List.of(), List.of())).getMessage();
        assertTrue(message.contains(a + " (3 ledger entries: it is not there)"), message);
        assertEquals(1, OpenRun.finish(b, List.of(), List.of(elsewhere)).size());
        assertGone(dave, elsewhere, b);

        PrivateFiles.deleteTree(elsewhere);
        String alice = RunFolder.open(b).records().getFirst().id().split("-")[0];
        String refused = assertThrows(BadInputException.class, () -> erase(b, alice, "c")).getMessage();
        assertTrue(refused.startsWith(elsewhere + ", which comes from the same training as " + b + ", is not there"), refused);
        assertTrue(refused.endsWith("finish " + b + " first, and say where it is found, or that it is gone"), refused);
        assertEquals(List.of(), OpenRun.finish(b, List.of(elsewhere), List.of()));
        erase(b, alice, "c");
        assertGone(alice, b, folder.resolve("c"));
    }

    @Test
    void aMovedRunReachesItsLineageAndTheOthersAreToldWhereItIs() throws IOException {
        String dave = person(0);
        String alice = person(1);
        erase(a, dave, "b");
        Path moved = Files.createDirectory(folder.resolve("far")).resolve("b2");
        Files.move(folder.resolve("b"), moved);
        erase(moved, alice, "far/c");
        assertGone(alice, a, moved, folder.resolve("far/c"));
        String bob = person(0);
        erase(a, bob, "d"); // the erasure before told everyone where b is now
        assertGone(bob, a, moved, folder.resolve("far/c"), folder.resolve("d"));
    }

    /** What was made before and after it stays in reach when a run in the middle is deleted. */
    @Test
    void aRunThatIsGoneCutsNothingOff() throws IOException {
        String erin = person(3);
        String dave = person(2);
        erase(a, person(0), "b");
        erase(folder.resolve("b"), RunFolder.open(a).records().getFirst().id().split("-")[0], "c");
        PrivateFiles.deleteTree(folder.resolve("b"));
        OpenRun.finish(folder.resolve("c"), List.of(folder.resolve("b")), List.of());
        erase(folder.resolve("c"), dave, "d");
        assertGone(dave, a, folder.resolve("c"), folder.resolve("d"));
        erase(a, erin, "e");
        assertGone(erin, a, folder.resolve("c"), folder.resolve("d"), folder.resolve("e"));
    }

    @Test
    void aChildThatWasFoundIsNotTakenForTheParent() throws IOException {
        String dave = person(3);
        erase(a, person(0), "b");
        erase(folder.resolve("b"), RunFolder.open(a).records().getFirst().id().split("-")[0], "c");
        Path far = Files.createDirectory(folder.resolve("far"));
        Files.move(a, far.resolve("a2"));
        Files.move(folder.resolve("c"), far.resolve("c2"));
        OpenRun.finish(folder.resolve("b"), List.of(), List.of(far.resolve("c2")));
        assertThrows(BadInputException.class, () -> erase(folder.resolve("b"), dave, "d"));
        OpenRun.finish(folder.resolve("b"), List.of(), List.of(far.resolve("a2")));
        erase(folder.resolve("b"), dave, "d");
        assertGone(dave, far.resolve("a2"), folder.resolve("b"), far.resolve("c2"), folder.resolve("d"));
    }

    /** Two runs of the same weights are two, or one that is clean would stand for the other. */
    @Test
    void anErasureThatMovesNothingMakesAnotherRunAllTheSame() throws IOException {
        erase(a, person(0), "b");
        RunFolder one = RunFolder.open(a);
        RunFolder b = RunFolder.open(folder.resolve("b"));
        RunFolder same = b.save(b.info().withResult(one.info().result()));
        assertFalse(same.identity().equals(one.identity()));
    }

    @Test
    void aRunIsOneByWhateverLinkItIsReached() throws IOException {
        Path links = Files.createDirectory(folder.resolve("links"));
        Files.createSymbolicLink(links.resolve("cur"), a);
        String dave = person(0);
        String alice = person(1);
        erase(links.resolve("cur"), dave, "b");
        erase(a, alice, "c");
        assertGone(dave, a, folder.resolve("b"));
        assertGone(alice, a, folder.resolve("b"), folder.resolve("c"));
    }

    @Test
    void anErasureOfAnEarlierVersionIsSaidToBeOutOfReach() {
        erase(a, person(0), "b");
        RunFolder b = RunFolder.open(folder.resolve("b"));
        b.save(b.info().withKin(List.of()));
        String alice = b.records().getFirst().id().split("-")[0];
        String refused = assertThrows(BadInputException.class, () -> erase(b.root(), alice, "c")).getMessage();
        assertTrue(refused.contains("was erased from by an earlier version"), refused);
        OpenRun.finish(b.root(), List.of(a), List.of());
        erase(b.root(), alice, "c");
    }

    /** A kill while pending.json was being overwritten left zeros, or an empty file: nothing is owed any more. */
    @Test
    void aPendingFileThatIsOnlyZerosIsDone() throws IOException {
        erase(a, person(0), "b");
        Path pending = folder.resolve("b/journal/pending.json");
        Files.write(pending, new byte[300]);
        RunFolder.open(folder.resolve("b"));
        Files.write(pending, new byte[0]);
        RunFolder.open(a);
        Files.writeString(pending, "{");
        String message = assertThrows(DamagedDataException.class, () -> RunFolder.open(a)).getMessage();
        assertTrue(message.startsWith(pending + ": says what an erasure still owes and cannot be read"), message);
    }

    /** What was computed of the records before an erasure must not be written into the run after it. */
    @Test
    void nothingOfBeforeIsKeptInARunAfterIt() {
        RunFolder before = RunFolder.open(a);
        erase(a, person(0), "b");
        assertThrows(BadInputException.class, () -> before.keep(() -> {
            throw new AssertionError("written");
        }));
        int[] written = new int[1];
        RunFolder.open(a).keep(() -> written[0]++);
        assertEquals(1, written[0]);
    }

    /** A run that names a stranger as its source must not reach into it, neither when opened nor when finished. */
    @Test
    void aDoctoredAccountDestroysNothingOfAnotherRun() throws IOException {
        String dave = person(0);
        String alice = person(1);
        erase(a, dave, "b");
        Path stranger = folder.resolve("stranger");
        TinyData tiny = new TinyData(Files.createDirectory(folder.resolve("other")), 12);
        Trainer.train(engine, tiny.source, tiny.data, stranger, TinyData.config().epochs(2).seed(8).build(),
                TrainListener.silent());
        RunFolder b = RunFolder.open(folder.resolve("b"));
        RunFolder victim = RunFolder.open(stranger);
        int before = live(stranger, alice);
        assertTrue(before > 0);
        b.save(b.info().withKin(List.of(Lineage.kin(victim))));
        new PendingErasure(b.info().lineage().erasure(), List.of(alice + "-home", alice + "-work", alice + "-friend"),
                List.of(new Destroyed(stranger.toString(), victim.identity(), 3, null, false, null))).write(b.journal());
        assertThrows(PendingErasureException.class, () -> OpenRun.open(engine, b.root()).close());
        assertThrows(DamagedDataException.class, () -> OpenRun.finish(b.root(), List.of(), List.of()));
        assertThrows(BadInputException.class, () -> OpenRun.finish(b.root(), List.of(), List.of(stranger)));
        assertEquals(before, live(stranger, alice));
        RunFolder.open(stranger);
    }

    /** A census while a run is written must not give its lock up: POSIX does that when any file of the locked one is closed. */
    @Test
    void aCensusLeavesLocksAsTheyAre() throws IOException {
        Path locks = Path.of("/proc/locks");
        assumeTrue(Files.isReadable(locks), "only Linux says who has a lock");
        try (RunLock held = RunLock.take(a.resolve(RunFolder.LOCK))) {
            String inode = ":" + Files.getAttribute(a.resolve(RunFolder.LOCK), "unix:ino") + " ";
            assumeTrue(Files.readString(locks).contains(inode), "this file system says nothing of locks");
            Census.of(a, new Census.Search(Set.of("nobody-here"), List.of("a text that is nowhere")));
            assertTrue(Files.readString(locks).contains(inode), "still held");
        }
    }

    /** A parent that cannot be read any more, but was noted as gone, does not keep an erasure pending. */
    @Test
    void aParentWhoseDescriptionIsDamagedDoesNotStopTheCensus() throws IOException {
        Path b = folder.resolve("b");
        erase(a, person(0), "b");
        Files.writeString(a.resolve("lethe.json"), "{");
        assertFalse(Census.of(b, new Census.Search(Set.of("nobody-here"), List.of())).isEmpty());
    }

    /** Someone who writes a ledger from the moment that the new run is being written: holds the ledger's own lock. */
    private static final class Busy implements AutoCloseable {
        private final Path ledger;
        private final CountDownLatch hold = new CountDownLatch(1);
        private final CountDownLatch held = new CountDownLatch(1);
        private Thread writer;

        Busy(Path ledger) {
            this.ledger = ledger;
        }

        EraseListener whenWriting() {
            return new EraseListener() {
                @Override
                public void stage(String name) {
                    if (name.startsWith("writing")) {
                        take();
                    }
                }
            };
        }

        private void take() {
            writer = Thread.ofPlatform().start(() -> {
                try (LedgerWriter open = LedgerWriter.append(ledger)) {
                    held.countDown();
                    hold.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
            try {
                held.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        public void close() throws InterruptedException {
            hold.countDown();
            writer.join();
        }
    }
}
