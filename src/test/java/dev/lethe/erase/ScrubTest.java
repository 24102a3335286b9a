package dev.lethe.erase;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.erase.Finish.Scrub;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.testing.Grep;
import dev.lethe.train.Retraining;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A run's own files lose what they say of a record, once and again, and the run stays whole. */
@ExtendWith(NoLeaks.class)
class ScrubTest {
    private static final Set<String> IDS = Set.of("person3-home", "person3-work", "nobody");

    @TempDir
    Path folder;
    private Engine engine;
    private Path run;
    private TinyData tiny;

    @BeforeEach
    void train() throws IOException {
        engine = Engine.cpu();
        tiny = new TinyData(folder, 8);
        run = folder.resolve("run");
        Trainer.train(engine, tiny.source, tiny.data, run, TinyData.config().keepText(true).build(), TrainListener.silent());
        for (String file : List.of("factors/ekfac.bin", "report/report.html", "report/0.png")) {
            Files.createDirectories(run.resolve(file).getParent());
            Files.writeString(run.resolve(file), "person3-home");
        }
    }

    @AfterEach
    void close() {
        engine.close();
    }

    @Test
    void rowsFactorsAndReportsGoAndTheRunStaysWhole() {
        List<Scrub.Done> done = Scrub.run(RunFolder.open(run), IDS);
        assertEquals(List.of(new Scrub.Done(run.resolve("factors"), "removed, fitted anew when needed"),
                new Scrub.Done(run.resolve("report"), "removed, written anew on request"),
                new Scrub.Done(run.resolve("records.jsonl"), "2 records taken out")), done);
        assertEquals(List.of(), Grep.files(run, Grep.text("person3-home"), Grep.text("where does person3 live"),
                Grep.text("person3-work")));
        assertFalse(Grep.files(run, Grep.text("person3-friend")).isEmpty(), "the others stay");
        RunFolder cleaned = RunFolder.open(run);
        assertEquals(22, cleaned.records().size());
        assertEquals(22, cleaned.info().data().records() + cleaned.info().data().holdout());
        assertEquals(cleaned.info().data(), cleaned.info().data().left(cleaned.records()), "hash and counts of what is left");
        assertEquals(cleaned.info().data().records(), cleaned.data(Split.TRAIN).size());
        assertEquals(List.of(), Scrub.run(cleaned, IDS), "again");
    }

    /** Killed between lethe.json and records.jsonl, and while the old records.jsonl was being overwritten. */
    @Test
    void whatAKillCutOffIsFinishedByRepeating() throws IOException {
        RunFolder before = RunFolder.open(run);
        RunInfo.Data left = before.info().data().left(before.records().stream().filter(row -> !IDS.contains(row.id())).toList());
        before.save(before.info().withData(left));
        Files.copy(run.resolve("records.jsonl"), run.resolve("records.jsonl.part-0"));
        Files.createDirectories(run.resolve("journal"));
        Files.writeString(run.resolve("journal/pending.json.part-14"), "person3-home");
        Scrub.run(RunFolder.open(run), IDS);
        assertEquals(left, RunFolder.open(run).info().data());
        assertEquals(List.of(), Grep.files(run, Grep.text("person3-home")));
    }

    @Test
    void aRunWhoseFilesDisagreeIsNotMadeToAgree() throws IOException {
        List<String> rows = Files.readAllLines(run.resolve("records.jsonl"));
        Files.write(run.resolve("records.jsonl"), rows.subList(0, 20));
        assertTrue(assertThrows(DamagedDataException.class, () -> Scrub.run(RunFolder.open(run), IDS)).getMessage()
                .contains("records.jsonl has 20 records, lethe.json says 24"));
    }

    /** With fewer records the batches are others: what it would compute is not the run's own training. */
    @Test
    void aTrainingIsNotRepeatedWithoutRecordsThatItHad() {
        Retraining.of(engine, RunFolder.open(run)).close();
        Scrub.run(RunFolder.open(run), IDS);
        assertEquals(run + ": an erasure took records out of it since it was trained; its training cannot be repeated",
                assertThrows(BadInputException.class, () -> Retraining.of(engine, RunFolder.open(run))).getMessage());
    }
}
