package dev.lethe.erase;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.Query;
import dev.lethe.ledger.Destruction;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.objective.EraseData;
import dev.lethe.objective.RunExamples;
import dev.lethe.results.EraseListener;
import dev.lethe.results.EraseStep;
import dev.lethe.results.Erasure;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.Contrast;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Reference;
import dev.lethe.settings.Strategy;
import dev.lethe.settings.TrainConfig;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.strategy.SetLoss;
import dev.lethe.strategy.SetLoss.GuardRefusedException;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Erasing a person from a tiny run: what is reached, what is kept, what is destroyed, and what is refused. */
@ExtendWith(NoLeaks.class)
public class EraserTest {
    public static final EraseConfig CONFIG = EraseConfig.defaults().toBuilder().reference(new Reference.Loss(3))
            .retainGuard(2).heldOutGuard(2).build();

    @TempDir
    Path folder;
    private Engine engine;
    private TinyData tiny;
    private Path source;

    @BeforeEach
    void train() {
        engine = Engine.cpu();
        tiny = new TinyData(folder, 12);
        source = train("source", TinyData.config().epochs(40).holdoutFraction(0.2).build());
    }

    @AfterEach
    void close() {
        engine.close();
    }

    private Path train(String name, TrainConfig config) {
        Path run = folder.resolve(name);
        Trainer.train(engine, tiny.source, tiny.data, run, config, TrainListener.silent());
        return run;
    }

    private Erasure erase(Path from, EraseConfig config, String out) {
        try (OpenRun run = OpenRun.open(engine, from)) {
            return run.erase(run.find(Query.subject(person(run))), config, folder.resolve(out), EraseListener.NONE);
        }
    }

    private static EraseListener into(List<EraseStep> steps) {
        return new EraseListener() {
            @Override
            public void step(EraseStep step, double target) {
                steps.add(step);
            }
        };
    }

    private static String person(OpenRun run) {
        return run.records().getFirst().subject();
    }

    @Test
    void aPersonIsGoneAndTheOthersStay() throws IOException {
        List<EraseStep> steps = new ArrayList<>();
        Erasure erasure;
        String hash = Checkpoint.hash(source.resolve("model"));
        try (OpenRun run = OpenRun.open(engine, source)) {
            erasure = run.erase(run.find(Query.subject(person(run))), CONFIG, folder.resolve("out"), into(steps));
        }
        assertTrue(erasure.before().forget() < 1.5, "the run must know the person first: " + erasure.before());
        assertTrue(erasure.after().forget() >= 0.98 * 3, "reached: " + erasure.after());
        assertTrue(erasure.after().retain() <= erasure.before().retain() + 2, "kept: " + erasure.after());
        assertTrue(erasure.repairs() <= CONFIG.repairBudget() * erasure.trainSteps(), "repairs " + erasure.repairs());
        assertEquals(hash, Checkpoint.hash(source.resolve("model")), "the source's model is as it was");
        assertEquals(steps.size(), Files.readAllLines(folder.resolve("out/journal/steps.jsonl")).size());
        RunFolder out = RunFolder.open(folder.resolve("out"));
        assertEquals(erasure.id(), out.info().lineage().erasure());
        assertEquals(36 - 3, out.records().size());
        assertEquals(out.records(), RunFolder.open(source).records(), "the source's rows are gone too");
        try (OpenRun again = OpenRun.open(engine, folder.resolve("out"))) {
            Set<String> left = again.records().stream().map(record -> record.id()).collect(Collectors.toSet());
            assertTrue(erasure.records().stream().noneMatch(left::contains));
        }
    }

    @Test
    void aLargeForgetSetIsClimbedByASampleAndJudgedWhole() throws IOException {
        tiny = new TinyData(Files.createDirectory(folder.resolve("more")), 40);
        Path large = train("large", TinyData.config().epochs(40).holdoutFraction(0.1).build());
        List<EraseStep> steps = new ArrayList<>();
        EraseConfig wide = CONFIG.toBuilder().retainGuard(50).heldOutGuard(50).keepEntries(true).build();
        Erasure erasure;
        try (OpenRun run = OpenRun.open(engine, large)) {
            Set<String> ids = run.records().stream().limit(70).map(record -> record.id()).collect(Collectors.toSet());
            erasure = run.erase(run.find(Query.ids(ids)), wide, folder.resolve("out"), into(steps));
        }
        List<EraseStep> whole = steps.stream().filter(step -> step.action() == EraseStep.Action.OBSERVE).toList();
        assertEquals(List.of(EraseStep.Phase.START, EraseStep.Phase.ASCENT, EraseStep.Phase.POLISH),
                whole.stream().map(EraseStep::phase).toList());
        EraseStep climbed = steps.get(whole.get(1).index() - 1);
        assertTrue(climbed.forget() != whole.get(1).forget(), "the sample is not the set");
        assertTrue(erasure.after().forget() >= 0.98 * 3, "reached by all of them: " + erasure.after());
        assertEquals(erasure.after().forget(), whole.get(2).forget(), 1e-9);
    }

    @Test
    void entriesAreDestroyedInBothRuns() {
        Erasure erasure = erase(source, CONFIG, "out");
        assertEquals(3, erasure.entriesDestroyed());
        Set<Entry.RecordKey> keys = erasure.records().stream().map(Entry.RecordKey::of).collect(Collectors.toSet());
        for (Path run : List.of(source, folder.resolve("out"))) {
            try (GradientLedger ledger = GradientLedger.open(run.resolve("ledger"))) {
                for (Entry entry : ledger.entries()) {
                    assertFalse(keys.contains(entry.header().key()), "entry " + entry);
                }
                assertEquals(3, ledger.entries().stream().filter(Entry::destroyed).count());
                assertTrue(ledger.verify().damage().isEmpty(), "damage: " + ledger.verify().damage());
            }
        }
    }

    @Test
    void entriesDestroyedBehindARunsBackAreMissed() {
        try (OpenRun run = OpenRun.open(engine, source)) {
            Destruction.destroy(source.resolve("ledger"), run.find(Query.subject(person(run))).ids().stream()
                    .map(Entry.RecordKey::of).collect(Collectors.toSet()));
        }
        BadInputException gone = assertThrows(BadInputException.class, () -> erase(source, CONFIG, "again"));
        assertTrue(gone.getMessage().contains("The strategy fresh needs none"), gone.getMessage());
        erase(source, CONFIG.toBuilder().strategy(Strategy.FRESH).build(), "fresh");
    }

    @Test
    void keptEntriesServeAnotherErasureWithTheSameBytes() throws IOException {
        EraseConfig keep = CONFIG.toBuilder().keepEntries(true).build();
        assertEquals(0, erase(source, keep, "one").entriesDestroyed());
        erase(source, keep, "two");
        for (String file : List.of("model/model.safetensors", "journal/steps.jsonl", "records.jsonl")) {
            assertEquals(-1, Files.mismatch(folder.resolve("one").resolve(file), folder.resolve("two").resolve(file)), file);
        }
    }

    @Test
    void aBrokenGuardLeavesNothing() throws IOException {
        EraseConfig strict = CONFIG.toBuilder().reference(new Reference.Loss(50)).build();
        GuardRefusedException refused = assertThrows(GuardRefusedException.class, () -> erase(source, strict, "out"));
        assertTrue(refused.getMessage().startsWith("erasure refused, nothing was changed: "),
                refused.getMessage());
        assertOnly("people.jsonl", "source", "tokenizer");
        erase(source, CONFIG, "out");
    }

    @Test
    void aTrialEndsWhereAnErasureDoesAndWritesNothing() throws IOException {
        EraseConfig strict = CONFIG.toBuilder().retainGuard(1e-9).build();
        double[] forgetLoss = new double[1];
        Erasure.Trial trial;
        try (OpenRun run = OpenRun.open(engine, source)) {
            ForgetSet forget = run.find(Query.subject(person(run)));
            EraseData data = RunExamples.of(run.folder(), null).split(forget.ids(), List.of(), strict);
            trial = run.trial(forget, CONFIG, EraseListener.NONE,
                    model -> forgetLoss[0] = SetLoss.mean(model, data.forget()));
            assertEquals(1, run.trial(forget, strict, EraseListener.NONE, model -> { }).broken().size());
        }
        assertOnly("people.jsonl", "source", "tokenizer");
        assertEquals(List.of(), trial.broken());
        assertEquals(trial.after().forget(), forgetLoss[0], 0);
        Erasure erasure = erase(source, CONFIG, "out");
        assertEquals(erasure.after(), trial.after());
        assertEquals(erasure.ascents(), trial.ascents());
        assertEquals(erasure.repairs(), trial.repairs());
    }

    @Test
    void aTrialRemovesWhatAKilledOneLeft() throws IOException {
        Path left = folder.resolve("source.trial");
        Files.createDirectories(left.resolve("retrained"));
        Files.writeString(left.resolve("retrained/records.jsonl"), "somebody");
        try (OpenRun run = OpenRun.open(engine, source)) {
            ForgetSet forget = run.find(Query.subject(person(run)));
            BadInputException foreign = assertThrows(BadInputException.class, () -> run.trial(forget, CONFIG, EraseListener.NONE, _ -> { }));
            assertTrue(foreign.getMessage().contains("is in the way, and no erasure made it"), foreign.getMessage());
            Files.createFile(left.resolve("erasing.lock"));
            run.trial(forget, CONFIG, EraseListener.NONE, _ -> { });
        }
        assertOnly("people.jsonl", "source", "tokenizer");
        Files.createDirectories(left.resolve("retrained"));
        Files.createFile(left.resolve("erasing.lock"));
        Files.writeString(left.resolve("retrained/records.jsonl"), "somebody");
        assertTrue(Census.of(source, null).stream().anyMatch(place -> place.path().contains("source.trial")));
        erase(source, CONFIG, "out"); // and so does an erasure
        assertFalse(Files.exists(left));
    }

    @Test
    void anInterruptLeavesNothing() throws IOException {
        try (OpenRun run = OpenRun.open(engine, source)) {
            ForgetSet forget = run.find(Query.subject(person(run)));
            assertThrows(InterruptedWorkException.class,
                    () -> run.erase(forget, CONFIG, folder.resolve("out"), new EraseListener() {
                        @Override
                        public void step(EraseStep step, double target) {
                            if (step.action() == EraseStep.Action.ASCEND) {
                                Thread.currentThread().interrupt();
                            }
                        }
                    }));
        }
        assertTrue(Thread.interrupted(), "whoever interrupts finds the flag set");
        assertOnly("people.jsonl", "source", "tokenizer");
    }

    @Test
    void multiEpochNeedsEveryEpochCaptured() {
        EraseConfig multi = CONFIG.toBuilder().strategy(Strategy.MULTI_EPOCH).build();
        BadInputException refused = assertThrows(BadInputException.class, () -> erase(source, multi, "out"));
        assertEquals("strategy multi-epoch: this run captured epoch 39 alone, counted from 0; train with capture all,"
                + " or use last-epoch", refused.getMessage());
        EraseConfig first = CONFIG.toBuilder().strategy(Strategy.FIRST_EPOCH).build();
        assertEquals("epochs first: this run captured epoch 39 alone, counted from 0; use the strategy last-epoch, or train with"
                + " capture first", assertThrows(BadInputException.class, () -> erase(source, first, "out")).getMessage());
        Path every = train("every", TinyData.config().epochs(40).holdoutFraction(0.2).capture(CapturePolicy.ALL).build());
        assertTrue(erase(every, multi, "out").after().forget() >= 0.98 * 3);
    }

    @Test
    void theReferenceIsHeldOutOrAnotherRunOrAskedFor() {
        String person;
        try (OpenRun run = OpenRun.open(engine, source)) {
            person = person(run);
        }
        Path retrained = folder.resolve("retrained");
        Trainer.train(engine, tiny.source, tiny.data.filter(record -> !person.equals(record.subject())), retrained,
                TinyData.config().epochs(1).build(), TrainListener.silent());
        EraseConfig other = CONFIG.toBuilder().reference(new Reference.Retrained(retrained)).keepEntries(true).build();
        assertTrue(erase(source, other, "other").target() > 2);
        EraseConfig heldOut = CONFIG.toBuilder().reference(new Reference.HeldOut()).keepEntries(true).build();
        Erasure erasure = erase(source, heldOut, "held-out");
        assertEquals(erasure.before().heldOut(), erasure.target(), 1e-9);
        Path none = train("none", TinyData.config().epochs(2).capture(CapturePolicy.NONE).build());
        BadInputException refused = assertThrows(BadInputException.class, () -> erase(none, heldOut, "out"));
        assertTrue(refused.getMessage().contains("captured no gradients; use the strategy fresh without contrast"),
                refused.getMessage());
        BadInputException unreferenced = assertThrows(BadInputException.class, () -> erase(none,
                heldOut.toBuilder().strategy(Strategy.FRESH).contrast(Contrast.NONE).build(), "out"));
        assertTrue(unreferenced.getMessage().contains("holds no record out"), unreferenced.getMessage());
    }

    private void assertOnly(String... names) throws IOException {
        try (Stream<Path> inside = Files.list(folder)) {
            assertEquals(List.of(names), inside.map(path -> path.getFileName().toString()).sorted().toList());
        }
    }
}
