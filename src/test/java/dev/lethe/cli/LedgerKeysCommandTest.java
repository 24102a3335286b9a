package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Engine;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** The command moves a ledger under keys, says where they are, rotates them, and names what is missing. */
class LedgerKeysCommandTest {
    @TempDir
    Path folder;

    @Test
    void aRunIsMovedUnderKeysInspectedAndRotated() throws IOException {
        Path run = folder.resolve("run");
        Path keys = folder.resolve("keys");
        TinyData tiny = new TinyData(folder, 6);
        try (Engine engine = Engine.cpu()) {
            Trainer.train(engine, tiny.source, tiny.data, run, TinyData.config().build(), TrainListener.silent());
        }
        JsonNode plain = Shell.run("score", run, "--ids", "person1-home", "--json", "-").json().get("records");
        assertEquals(2, Shell.run("compact", run, "--encrypt", run.resolve("keys")).code(), "keys in the run");
        Path link = Files.createSymbolicLink(folder.resolve("link"), run);
        assertEquals(2, Shell.run("compact", run, "--encrypt", link.resolve("keys")).code(), "by a link");
        assertEquals(2, Shell.run("compact", run.resolve("ledger"), "--encrypt", run.resolve("keys")).code(), "beside its ledger");
        assertEquals(1, Shell.run("compact", link.resolve("ledger"), "--encrypt", keys, "--json", "-").json().get("segments_rewritten").asInt());
        assertEquals(keys, RunFolder.open(run).info().config().ledgerKeys(), "a run trained anew from it lies under them too");
        assertEquals(plain, Shell.run("score", run, "--ids", "person1-home", "--json", "-").json().get("records"));
        Shell inspect = Shell.run("inspect", run);
        assertEquals(0, inspect.code(), inspect.toString());
        assertTrue(inspect.out().contains("keys     " + keys + "\n"), inspect.out());
        assertEquals(18, Shell.run("keys", "rotate", keys, "--json", "-").json().get("keys").asInt());
        Path moved = folder.resolve("moved");
        Files.move(keys, moved);
        Shell missing = Shell.run("score", run, "--ids", "person1-home");
        assertEquals(2, missing.code(), missing.toString());
        assertTrue(missing.err().contains(keys.resolve("ledger.keys") + ": is not there; "), missing.err());
        assertEquals(2, Shell.run("keys", "rotate", keys).code());
        assertFalse(Files.exists(keys), "nothing is made of a wrong name");
        assertEquals(0, Shell.run("compact", run, "--encrypt", moved, "--json", "-").json().get("segments_rewritten").asInt());
        assertEquals(plain, Shell.run("score", run, "--ids", "person1-home", "--json", "-").json().get("records"));
        assertEquals(2, Shell.run("compact", run, "--encrypt", folder.resolve("others")).code(), "one ledger has one folder of keys");
    }

    @Test
    void aTrainingIsToldWhereItsKeysAre() {
        TinyData tiny = new TinyData(folder, 4);
        Path run = folder.resolve("run");
        Path keys = folder.resolve("keys");
        Shell train = Shell.run("train", run, "--data", tiny.file, "--model", "gpt2:layers=1,hidden=8,heads=2,ctx=16",
                "--set", "epochs=1", "--set", "ledger_keys=" + keys, "--quiet");
        assertEquals(0, train.code(), train.toString());
        assertTrue(Files.exists(keys.resolve("ledger.keys")));
        assertEquals(keys.toString(), Shell.run("inspect", run, "--json", "-").json().get("ledger").get("keys").asString());
    }
}
