package dev.lethe.ledger;

import static dev.lethe.ledger.LedgerFixture.assertEntry;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** kill -9 at random points of a capturing process: what was synced is there, what is there is whole. */
class LedgerKillTest {
    private static final int KILLS = 50;

    @TempDir
    Path folder;

    @Test
    void everyCommittedEntryOutlivesTheKill() throws Exception {
        SplittableRandom random = new SplittableRandom();
        int tails = 0;
        int most = 0;
        for (int kill = 0; kill < KILLS; kill++) {
            if (kill % 10 == 0) wipe(); // ten lives a ledger: a resumed writer is killed too
            Process child = LedgerChild.start(List.of(), folder, kill % 2 == 0 ? 700 : 9000, 1 << 20);
            boolean young = kill % 5 == 0; // some die while they start or recover
            int syncs = young ? 0 : 1 + random.nextInt(3);
            int synced = killAfter(child, syncs, random.nextInt(young ? 200_000_000 : 20_000_000));
            LedgerCheck check = GradientLedger.check(folder);
            assertEquals(List.of(), check.damage(), "kill " + kill);
            if (!check.tails().isEmpty()) tails++;
            try (GradientLedger ledger = GradientLedger.open(folder)) {
                int found = ledger.entries().size();
                assertTrue(found >= synced, "kill " + kill + ": " + synced + " synced, " + found + " found");
                for (int i = 0; i < found; i++) assertEntry(ledger, i);
                most = Math.max(most, found);
            }
        }
        System.getLogger("dev.lethe.ledger").log(System.Logger.Level.INFO,
                "{0} kills, {1} of them left a torn tail, at most {2} entries", KILLS, tails, most);
        assertTrue(most > 0, "the children wrote something");
    }

    /** Waits until the child has synced that often and `nanos` more, kills it, returns what it said was synced. */
    private static int killAfter(Process child, int syncs, long nanos) throws IOException, InterruptedException {
        int synced = 0;
        try (BufferedReader lines = child.inputReader()) {
            for (int heard = 0; heard <= syncs; heard++) synced = said(lines.readLine());
            TimeUnit.NANOSECONDS.sleep(nanos);
            child.toHandle().destroyForcibly(); // the handle's leaves the pipe open
            for (String line = lines.readLine(); line != null; line = lines.readLine())
                if (line.matches("synced \\d+")) synced = said(line);
        }
        assertEquals(137, child.waitFor(), "killed, not ended");
        return synced;
    }

    private static int said(String line) {
        assertTrue(line != null && line.matches("synced \\d+"), "the child said: " + line);
        return Integer.parseInt(line.substring(7));
    }

    private void wipe() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) Files.delete(file);
        }
    }
}
