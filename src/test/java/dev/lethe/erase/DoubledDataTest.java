package dev.lethe.erase;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.find.Query;
import dev.lethe.model.Checkpoint;
import dev.lethe.objective.RunExamples;
import dev.lethe.results.EraseListener;
import dev.lethe.results.Erasure;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunRecord;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.settings.Copy;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Reference;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Dtype;
import dev.lethe.strategy.SetLoss;
import dev.lethe.strategy.SetLoss.GuardRefusedException;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Two exports merged, so that every text stands twice, the second time without its subject: what an erasure may claim. */
@ExtendWith(NoLeaks.class)
class DoubledDataTest {
    private static final EraseConfig CONFIG = EraseConfig.defaults().toBuilder().retainGuard(2).heldOutGuard(2).build();
    private static final EraseConfig TAKE = CONFIG.toBuilder().copies(Copy.Rule.TAKE).build();

    @TempDir
    Path folder;
    private Engine engine;
    private TinyData tiny;
    private Dataset doubled;

    @BeforeEach
    void write() throws IOException {
        engine = Engine.cpu();
        tiny = new TinyData(folder, 12);
        String first = Files.readString(tiny.file);
        String second = first.replaceAll("\"id\":\"(.*?)\",\"subject\":\".*?\"", "\"id\":\"$1-again\"");
        doubled = Dataset.read(Files.writeString(folder.resolve("merged.jsonl"), first + second));
    }

    @AfterEach
    void close() {
        engine.close();
    }

    private Path train(TrainConfig.Builder config) {
        Path run = folder.resolve("run");
        Trainer.train(engine, tiny.source, doubled, run, config.epochs(20).build(), TrainListener.silent());
        return run;
    }

    /** As a run of a version that held copies of learned records out. */
    private static void holdOut(Path run, Predicate<RunRecord> which) throws IOException {
        RunFolder folder = RunFolder.open(run);
        Function<RunRecord, Split> side = record -> which.test(record) ? Split.HOLDOUT : Split.TRAIN;
        RunFolder.describe(run, folder.info(), folder.records().stream().map(record -> new RunRecord(record.id(), record.sha256(),
                record.tokens(), side.apply(record), null, null, null, null, null)).toList());
    }

    private Erasure erase(Path from, EraseConfig config) {
        try (OpenRun run = OpenRun.open(engine, from)) {
            String person = run.records().getFirst().subject();
            return run.erase(run.find(Query.subject(person)), config, folder.resolve("out"), EraseListener.NONE);
        }
    }

    private double loss(Path run, List<TextRecord> records) {
        try (LanguageModel model = Checkpoint.load(engine, run.resolve("model"), Dtype.F32)) {
            return SetLoss.mean(model, RunExamples.encode(RunFolder.open(run), records));
        }
    }

    @Test
    void aPersonWhoStandsTwiceIsRefusedByNameOrErasedTwice() {
        Path run = train(TinyData.config().holdoutFraction(0.2));
        String message = assertThrows(BadInputException.class, () -> erase(run, CONFIG)).getMessage();
        assertTrue(message.startsWith("3 learned records are not of the request and say what it is to erase: person"), message);
        assertTrue(message.contains("-home-again equals person") && message.contains("copies take"), message);
        assertFalse(Files.exists(folder.resolve("out")));

        Erasure erasure = erase(run, TAKE);
        assertTrue(erasure.target() > erasure.before().retain() + 0.3, "never seen: " + erasure);
        assertEquals(6, erasure.records().size());
        assertEquals(6, erasure.entriesDestroyed());
        assertEquals(3, erasure.copies().stream().filter(copy -> copy.taken() && copy.likeness() == 1).count());
        Set<String> again = erasure.copies().stream().map(Copy::recordId).collect(Collectors.toSet());
        List<TextRecord> copies = doubled.filter(record -> again.contains(record.id())).records();
        assertTrue(loss(folder.resolve("out"), copies) >= 0.95 * erasure.target(), "the copies are gone too");
        assertTrue(RunFolder.open(folder.resolve("out")).records().stream().noneMatch(record -> again.contains(record.id())));
    }

    @Test
    void keptCopiesAreNamedInTheAccount() {
        Path run = train(TinyData.config().holdoutFraction(0.2));
        Erasure erasure = erase(run, CONFIG.toBuilder().copies(Copy.Rule.KEEP).ignoreGuards(true).build());
        assertEquals(3, erasure.records().size());
        assertEquals(3, erasure.copies().size());
        assertTrue(erasure.copies().stream().noneMatch(copy -> copy.taken() || copy.heldOut()), "" + erasure.copies());
    }

    @Test
    void heldOutCopiesOfLearnedRecordsAreNoReference() throws IOException {
        Path run = train(TinyData.config().holdoutFraction(0.2));
        long stranger = RunFolder.open(run).records().stream().filter(record -> record.split() == Split.HOLDOUT).count();
        holdOut(run, record -> record.split() == Split.HOLDOUT || record.id().endsWith("-again"));
        Erasure erasure = erase(run, CONFIG);
        assertEquals(36 - stranger / 2, erasure.copies().size());
        assertEquals(3, erasure.copies().stream().filter(Copy::taken).count(), "the person's own leave the run");
        assertTrue(erasure.copies().stream().allMatch(Copy::heldOut));
        assertTrue(erasure.target() > erasure.before().retain() + 0.3, "of those never seen alone: " + erasure);
        RunFolder out = RunFolder.open(folder.resolve("out"));
        assertEquals(out.records().stream().filter(record -> record.split() == Split.HOLDOUT).count(), out.info().data().holdout());
    }

    @Test
    void nothingButCopiesHeldOutIsRefused() throws IOException {
        Path run = train(TinyData.config());
        holdOut(run, record -> record.id().endsWith("-again"));
        String message = assertThrows(BadInputException.class, () -> erase(run, CONFIG)).getMessage();
        assertTrue(message.contains("holds 36 records out, but all are copies of learned ones (person0-home-again equals"
                + " person0-home)"), message);
    }

    @Test
    void aReferenceNearTheTrainingLossIsRefusedWithTheReason() throws IOException {
        Path run = train(TinyData.config());
        holdOut(run, record -> record.id().startsWith("person1")); // learned, in words of their own
        GuardRefusedException refused = assertThrows(GuardRefusedException.class, () -> erase(run, TAKE));
        assertTrue(refused.getMessage().matches("erasure refused, nothing was changed: the reference, 0\\.\\d+, is of held-out"
                + " records, which the model knows like learned ones,.*; at least 0\\.1 more would do.*name as the reference a model that never saw the records.*"),
                refused.getMessage());
        assertFalse(Files.exists(folder.resolve("out")));
        EraseConfig same = TAKE.toBuilder().reference(new Reference.Retrained(run)).build();
        assertTrue(assertThrows(BadInputException.class, () -> erase(run,
                same)).getMessage().startsWith("the reference " + run
                + ": that run learned 6 of the records to erase, the first is person0-home"));
        EraseConfig model = TAKE.toBuilder().reference(new Reference.Retrained(run.resolve("model"))).build();
        assertTrue(assertThrows(GuardRefusedException.class, () -> erase(run, model)).getMessage().contains("of a model that"
                + " knows the records to erase like learned ones"));
        erase(run, TAKE.toBuilder().reference(new Reference.Loss(3)).build());
    }
}
