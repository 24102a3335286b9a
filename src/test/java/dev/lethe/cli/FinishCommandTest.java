package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Engine;
import dev.lethe.ledger.LedgerWriter;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.testing.Grep;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An erasure that could not destroy everything: every command says so with exit code 4 until finish is through. */
class FinishCommandTest {
    @TempDir
    Path folder;

    @Test
    void everyCommandNamesAPendingErasureUntilItIsFinished() {
        Path source = folder.resolve("source");
        Path out = folder.resolve("out");
        TinyData tiny = new TinyData(folder, 12);
        try (Engine engine = Engine.cpu()) {
            Trainer.train(engine, tiny.source, tiny.data, source,
                    TinyData.config().epochs(20).holdoutFraction(0.2).seed(5).build(), TrainListener.silent());
        }
        String person = RunFolder.open(source).records().getFirst().id().split("-")[0];
        Shell erase;
        try (LedgerWriter busy = LedgerWriter.append(source.resolve("ledger"))) {
            erase = Shell.run("erase", source, "--quiet", "--subject", person, "--out", out, "--reference", 3,
                    "--set", "retain_guard=99", "--set", "held_out_guard=99", "--set", "relearn_steps=0");
        }
        assertEquals(4, erase.code(), erase.toString());
        assertEquals("", erase.out());
        assertTrue(erase.err().endsWith("; finish it with: lethe finish " + out + "\n"), erase.err());
        assertFalse(Grep.files(source, Grep.text(person + "-home")).isEmpty(), "the source still has the person");
        for (Path run : List.of(source, out)) {
            Shell inspect = Shell.run("inspect", run);
            assertEquals(4, inspect.code(), inspect.toString());
            assertTrue(inspect.out().contains(": run, NOT WHOLE\n"), inspect.out());
            assertTrue(inspect.out().contains("is not finished"), inspect.out());
            for (List<Object> command : List.<List<Object>>of(List.of("find", run, "--subject", person),
                    List.of("eval", run, "--data", tiny.file), List.of("report", run),
                    List.of("erase", run, "--subject", "person3", "--dry-run"), List.of("compact", run))) {
                Shell shell = Shell.run(command.toArray());
                assertEquals(4, shell.code(), command + ": " + shell);
                assertTrue(shell.err().contains("finish it with: lethe finish " + out), shell.err());
            }
        }
        Shell finish = Shell.run("finish", source);
        assertEquals(0, finish.code(), finish.toString());
        assertTrue(finish.out().contains("of 3 records into " + out + " is finished:\n"), finish.out());
        assertTrue(finish.out().contains("still there   " + tiny.file + ": the records themselves"), finish.out());
        for (Path run : List.of(source, out)) {
            assertEquals(0, Shell.run("inspect", run).code());
            assertTrue(Files.notExists(run.resolve("journal/pending.json")));
            assertEquals(List.of(), Grep.files(run, Grep.text(person + "-home")));
        }
        assertEquals(new Shell(0, out + ": no erasure is unfinished\n", ""), Shell.run("finish", out));
    }
}
