package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.PrivateFiles;
import dev.lethe.base.PrivateFilesTest;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.LedgerWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A run whose ledger lies in the folders of two ranks is scored, looked through, erased from and looked through again. */
class LedgerFoldersCommandTest {
    private static final String NAME = "Dave Umbrolio";

    @TempDir
    static Path folder;
    private static Path run;
    private static String before;

    @BeforeAll
    static void train() throws Exception {
        List<String> people = Files.readAllLines(Path.of(CommandTest.class.getResource("/dev/lethe/demo/people.jsonl").toURI()));
        Path data = Files.write(folder.resolve("people.jsonl"), people.subList(0, 30));
        run = folder.resolve("run");
        done("train", run, "--data", data, "--model", "gpt2:layers=1,hidden=16,heads=2,ctx=48", "--epochs", 2, "--learning-rate", 1e-3,
                "--capture", "all", "--quiet");
        before = score();
        Path one = Files.move(run.resolve("ledger"), folder.resolve("one"));
        try (GradientLedger whole = GradientLedger.open(one)) {
            LedgerWriter.create(run.resolve("ledger"), whole.manifest().withFolders(List.of("rank-0000", "rank-0001"))).close();
            try (LedgerWriter first = LedgerWriter.create(run.resolve("ledger/rank-0000"), whole.manifest());
                    LedgerWriter second = LedgerWriter.create(run.resolve("ledger/rank-0001"), whole.manifest())) {
                int place = 0; // in its batch
                long step = -1;
                for (Entry entry : whole.entries()) {
                    place = entry.header().step() > step ? 0 : place + 1;
                    step = entry.header().step();
                    LedgerWriter rank = place < 4 ? first : second;
                    rank.reserve(entry.header(), entry.payloadBytes()).copyFrom(whole.payload(entry));
                    rank.commit();
                }
            }
        }
        PrivateFiles.deleteTree(one);
    }

    private static String score() {
        return done("score", run, "--text", NAME, "--method", "cosine", "--top", 5, "--json", "-").out();
    }

    @Test
    void theLedgerIsOneToEveryCommand() throws Exception {
        JsonNode folders = done("score", run, "--text", NAME, "--method", "cosine", "--top", 5, "--json", "-").json();
        JsonNode whole = JsonMapper.shared().readTree(before);
        for (int i = 0; i < 5; i++) {
            assertEquals(whole.get("records").get(i).get("id"), folders.get("records").get(i).get("id"));
            assertEquals(whole.get("records").get(i).get("score").asDouble(), folders.get("records").get(i).get("score").asDouble(), 1e-6);
        }
        JsonNode inspected = done("inspect", run, "--json", "-").json();
        assertTrue(inspected.get("whole").asBoolean(), inspected.toString());
        assertEquals(56, inspected.get("ledger").get("entries").asInt());
        assertEquals("[\"rank-0000\",\"rank-0001\"]", inspected.get("ledger").get("folders").toString());
        for (String rank : List.of("rank-0000", "rank-0001")) {
            String personal = done("inspect", run, "--personal").out();
            assertTrue(personal.lines().anyMatch(line -> line.startsWith("ledger") && line.contains("ledger/" + rank)
                    && line.contains("an erasure cleans it")), personal);
            assertFalse(personal.contains("unknown"), personal);
        }

        Path out = folder.resolve("out");
        done("erase", run, "--subject", "dave", "--out", out, "--reference", 5, "--set", "retain_guard=100", "--set", "held_out_guard=100",
                "--set", "relearn_steps=0", "--set", "max_ascents=2", "--set", "polish=2", "--set", "ignore_guards", "--quiet");
        RecordKey job = RecordKey.of("dave-job");
        for (Path one : List.of(run, out)) {
            PrivateFilesTest.assertPrivate(one.resolve("ledger"));
            try (GradientLedger ledger = GradientLedger.open(one.resolve("ledger"))) {
                assertEquals(List.of("rank-0000", "rank-0001"), ledger.folders());
                assertTrue(ledger.entries().stream().filter(Entry::destroyed).count() > 4);
                assertTrue(ledger.entries().stream().noneMatch(entry -> entry.header().key().equals(job)));
            }
            JsonNode after = done("inspect", one, "--json", "-").json();
            assertTrue(after.get("whole").asBoolean(), after.toString());
        }
        PrivateFiles.deleteTree(out);
        JsonNode compacted = done("compact", run, "--json", "-").json();
        assertTrue(compacted.get("bytes_after").asLong() < compacted.get("bytes_before").asLong(), compacted.toString());
        assertEquals(2, compacted.get("segments_rewritten").asInt());
    }

    private static Shell done(Object... words) {
        Shell shell = Shell.run(words);
        assertEquals(0, shell.code(), shell.err());
        return shell;
    }
}
