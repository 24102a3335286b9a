package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.InterruptedWorkException;
import dev.lethe.data.Dataset;
import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.results.TrainListener;
import dev.lethe.results.TrainStep;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.train.Adopter;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** lethe erase --model: a model that was trained elsewhere is adopted on the way, and where its run then lies. */
@ExtendWith(NoLeaks.class)
class EraseModelTest {
    @TempDir
    Path folder;
    private TinyData tiny;
    private Path model;
    private Path heldOut;
    private Path learned;
    private Path out;
    private Path adopted;

    @BeforeEach
    void train() throws IOException {
        tiny = new TinyData(folder, 12);
        learned = people("learned.jsonl", "person([0-9])");
        heldOut = people("held-out.jsonl", "person(10|11)");
        try (Engine engine = Engine.cpu()) {
            model = Trainer.train(engine, tiny.source, Dataset.read(learned), folder.resolve("elsewhere"), TinyData.config().epochs(40)
                    .capture(TrainConfig.CapturePolicy.NONE).build(), TrainListener.silent()).model();
        }
        out = folder.resolve("erased");
        adopted = folder.resolve("erased.adopted");
    }

    private Path people(String name, String subjects) throws IOException {
        return Files.write(folder.resolve(name), Files.readAllLines(tiny.file).stream()
                .filter(line -> line.matches(".*\"subject\":\"" + subjects + "\".*")).toList());
    }

    private Shell erase(String subject, Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("erase", model, "--data", learned, "--set", "held_out=" + heldOut,
                "--set", "epochs_trained=40", "--set", "rate_trained=1e-2", "--subject", subject, "--out", out,
                "--set", "retain_guard=2", "--set", "held_out_guard=2",
                "--set", "ignore_guards", "--copies", "keep", "-q"));
        arguments.addAll(List.of(more));
        return Shell.run(arguments.toArray());
    }

    @Test
    void aModelItsDataAndANameAreEnough() throws IOException {
        Shell shell = erase("person3", "--json", "-");
        assertEquals(0, shell.code(), shell.err());
        assertEquals(adopted.toString(), shell.json().get("source").asString());
        assertEquals(30, shell.json().get("adopted").get("records").asInt());
        assertEquals(6, shell.json().get("adopted").get("held_out").asInt());
        assertTrue(shell.json().get("after").get("forget").asDouble() > shell.json().get("before").get("forget").asDouble() + 0.1,
                shell.out());
        assertEquals(3, shell.json().get("entries_destroyed").asInt());
        assertFalse(Files.readString(adopted.resolve("records.jsonl")).contains("person3-"), "destroyed in the adopted run too");
        Shell again = Shell.run("erase", out, "--subject", "person5", "--out", folder.resolve("next"),
                "--set", "ignore_guards",
                "--copies", "keep", "-q", "--json", "-");
        assertEquals(0, again.code(), again.err());
        assertTrue(again.json().get("adopted").isNull());
        assertTrue(again.json().get("places").toString().contains(adopted.toString()), again.out());
        Shell taken = erase("person5");
        assertEquals(2, taken.code());
        assertTrue(taken.err().contains(out + ": already holds a run"), taken.err());
        out = folder.resolve("other");
        Shell twice = erase("person6", "--set", "adopted=" + adopted);
        assertEquals(2, twice.code());
        assertTrue(twice.err().contains(adopted + ": already holds a run, and not this adoption: it has 24 records, " + learned
                + " has 30; erase from that run as it is, or name another folder"), twice.err());
    }

    /** Killed while adopting and killed after it: the same command goes on, and the run is the one of an unstopped adoption. */
    @Test
    void theSameCommandGoesOn() throws IOException {
        Shell first = erase("person3");
        assertEquals(0, first.code(), first.err());
        Path whole = folder.resolve("whole");
        Files.move(out, folder.resolve("first"));
        Files.move(adopted, whole);
        TrainConfig config = TrainConfig.builder().epochs(40).learningRate(1e-2).holdoutData(heldOut).build();
        Thread caller = Thread.currentThread();
        try (Engine engine = Engine.cpu()) {
            assertThrows(InterruptedWorkException.class, () -> Adopter.adopt(engine, ModelSource.checkpoint(model),
                    Dataset.read(learned), adopted, config,
                    new Adopter.Asked(null, false, false, false), new TrainListener() {
                        @Override
                        public void step(TrainStep done) {
                            if (done.step() == 2) {
                                caller.interrupt();
                                while (caller.isInterrupted()) {
                                    Thread.onSpinWait();
                                }
                            }
                        }
                    }));
        }
        assertTrue(Thread.interrupted());
        Shell other = erase("person3", "--set", "batch=4");
        assertEquals(2, other.code());
        assertTrue(other.err().contains("batchSize is 8, asked for 4"), other.err());
        Shell guarded = erase("person3", "--set", "keep_entries");
        assertEquals(0, guarded.code(), guarded.err());
        assertEquals(-1, Files.mismatch(whole.resolve("metrics.jsonl"), adopted.resolve("metrics.jsonl")));
        out = folder.resolve("third");
        Shell complete = erase("person3", "--set", "adopted=" + adopted, "--json", "-");
        assertEquals(0, complete.code(), complete.err());
        assertEquals(adopted.toString(), complete.json().get("source").asString());
        assertEquals(30, complete.json().get("adopted").get("records").asInt());
    }

    @Test
    void whatCannotBeIsSaidBeforeAnythingIsWritten() throws IOException {
        assertRefused("unknown subject person77: not in the training data", erase("person77"));
        assertRefused("--strategy retrain: the training of " + model + " is not Lethe's to repeat", Shell.run("erase",
                model,
                "--data", learned, "--subject", "person3", "--out", out, "--strategy", "retrain"));
        assertRefused("strategy altpo needs a file of wrong answers", Shell.run("erase", model, "--data", learned, "--subject", "person3", "--out",
                out, "--strategy", "altpo"));
        assertRefused("--out RUN2 is missing: the folder of the new run; force: of an adoption, and " + heldOut + " is no model folder",
                Shell.run("erase", heldOut, "--subject", "x", "--set", "force"));
        assertRefused(model + " is a model and no run, and needs --data FILE: the records that it was trained on; --dry-run writes nothing", Shell.run("erase", model, "--subject", "x", "--dry-run"));
        assertRefused("adopted and --out are one folder", erase("person3", "--set", "adopted=" + out));
        Path swapped = learned;
        learned = heldOut;
        heldOut = swapped;
        assertRefused(": this is not what the model learned: ", erase("person10"));
        assertFalse(Files.exists(out));
        assertFalse(Files.exists(adopted));
    }

    private static void assertRefused(String what, Shell shell) {
        assertEquals(2, shell.code(), shell.err());
        assertTrue(shell.err().contains(what), shell.err());
    }
}
