package dev.lethe.erase;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.Query;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.objective.RunExamples;
import dev.lethe.results.EraseListener;
import dev.lethe.results.Erasure;
import dev.lethe.results.TrainListener;
import dev.lethe.results.TrainStep;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunRecord;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.Strategy;
import dev.lethe.settings.TrainConfig;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.shape.Dtype;
import dev.lethe.strategy.SetLoss;
import dev.lethe.train.Adopter;
import dev.lethe.train.Adopter.Asked;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A model whose training Lethe did not see: what is found out about it, what is captured, and that it can be erased from. */
@ExtendWith(NoLeaks.class)
class AdopterTest {
    private static final TrainConfig CONFIG = TinyData.config().epochs(20).build();

    @TempDir
    Path folder;
    private Engine engine;
    private TinyData tiny;
    private Path model;
    private Path base;
    private Path learned;
    private Path unseen;

    /** The model and data of a training; its run is not looked at again. */
    @BeforeEach
    void train() throws IOException {
        engine = Engine.cpu();
        tiny = new TinyData(folder, 12);
        RunFolder run = Trainer.train(engine, tiny.source, tiny.data, folder.resolve("elsewhere"),
                CONFIG.toBuilder().capture(CapturePolicy.NONE).holdoutFraction(0.2).build(), TrainListener.silent());
        model = run.model();
        base = Trainer.train(engine, tiny.source, tiny.data, folder.resolve("before"), CONFIG.toBuilder().maxSteps(1)
                .learningRate(1e-9).capture(CapturePolicy.NONE).build(), TrainListener.silent()).model();
        Set<String> out = run.records().stream().filter(record -> record.split() == Split.HOLDOUT).map(RunRecord::id)
                .collect(Collectors.toSet());
        learned = lines("learned.jsonl", false, out);
        unseen = lines("unseen.jsonl", true, out);
    }

    @AfterEach
    void close() {
        engine.close();
    }

    private Path lines(String name, boolean in, Set<String> ids) throws IOException {
        List<String> lines = Files.readAllLines(tiny.file).stream()
                .filter(line -> in == ids.stream().anyMatch(id -> line.contains("\"" + id + "\""))).toList();
        return Files.write(folder.resolve(name), lines);
    }

    private RunFolder adopt(String out, Path data, TrainConfig config, Asked asked) {
        return Adopter.adopt(engine, ModelSource.checkpoint(model), Dataset.read(data), folder.resolve(out), config, asked, TrainListener.silent());
    }

    private TrainConfig heldOut() {
        return CONFIG.toBuilder().holdoutData(unseen).build();
    }

    @Test
    void holdsNoLearnedRecordOut() {
        assertEquals("a holdout fraction of 0.2: the model has learned all of " + learned + "; held-out records of an adopted model are a"
                + " data file of their own", assertThrows(BadInputException.class, () -> adopt("run", learned,
                CONFIG.toBuilder().holdoutFraction(0.2).build(), new Asked(null, false, false, false))).getMessage());
    }

    @Test
    void anAdoptedModelIsErasedFrom() {
        RunFolder run = adopt("run", learned, heldOut(), new Asked(null, true, true, false));
        assertTrue(run.info().adopted().loss() + 0.1 < run.info().adopted().heldOutLoss(), "" + run.info().adopted());
        assertTrue(run.info().config().learningRate() >= CONFIG.learningRate() / 5, "" + run.info().config());
        assertEquals(run.info().source().modelHash(), run.info().result().modelHash());
        assertEquals(CONFIG.steps(run.info().data().records()), run.info().result().steps());
        assertEquals(run.info().data().records(), run.info().result().ledger().entries());
        try (OpenRun open = OpenRun.open(engine, run.root())) {
            assertEquals("strategy retrain: the model of " + run + " was trained elsewhere and adopted; train its base on the records"
                    + " to keep instead, and give that as the reference", assertThrows(BadInputException.class,
                    () -> open.erase(open.find(Query.subject("person7")), EraseConfig.defaults().toBuilder()
                            .strategy(Strategy.RETRAIN).precondition(0).build(), folder.resolve("again"), EraseListener.NONE)).getMessage());
            String person = open.records().getFirst().subject();
            Erasure erasure = open.erase(open.find(Query.subject(person)), EraseConfig.defaults().toBuilder().retainGuard(2)
                    .heldOutGuard(2).build(), folder.resolve("erased"), EraseListener.NONE);
            assertTrue(erasure.after().forget() >= 0.95 * erasure.target(), "" + erasure);
            assertTrue(erasure.after().retain() < erasure.before().retain() + 1, "" + erasure);
        }
    }

    /** The base's loss on the very records is the reference, without any held-out ones. */
    @Test
    void theBaseIsTheReference() {
        RunFolder run = adopt("run", learned, CONFIG, new Asked(base, false, false, false));
        try (OpenRun open = OpenRun.open(engine, run.root())) {
            ForgetSet forget = open.find(Query.subject(open.records().getFirst().subject()));
            Erasure erasure = open.erase(forget, EraseConfig.defaults().toBuilder().retainGuard(2).build(),
                    folder.resolve("erased"), EraseListener.NONE);
            assertEquals(loss(base, run, forget), erasure.target(), 1e-9);
        }
    }

    /** Some held-out words do not displace the base; enough of them to be weighed do. */
    @Test
    void heldOutRecordsComeBeforeTheBaseWhereThereAreEnough() throws IOException {
        assertEquals(0, beside(unseen, "few"), 1e-6);
        Path others = new TinyData(folder.resolve("others"), 60).file;
        Path many = Files.write(folder.resolve("many.jsonl"), Files.readAllLines(others).subList(36, 180));
        assertTrue(Math.abs(beside(many, "many")) > 0.01);
    }

    /** The reference less the base's loss on the records. */
    private double beside(Path heldOut, String name) {
        RunFolder run = adopt(name, learned, CONFIG.toBuilder().holdoutData(heldOut).build(), new Asked(base, false, false, false));
        try (OpenRun open = OpenRun.open(engine, run.root())) {
            ForgetSet forget = open.find(Query.subject(open.records().getFirst().subject()));
            return open.trial(forget, EraseConfig.defaults().toBuilder().maxAscents(1).ignoreGuards(true).build(), EraseListener.NONE,
                    _ -> { }).target() - loss(base, run, forget);
        }
    }

    private double loss(Path folder, RunFolder run, ForgetSet forget) {
        Set<String> ids = forget.ids();
        List<TextRecord> records = tiny.data.filter(record -> ids.contains(record.id())).records();
        try (LanguageModel model = Checkpoint.load(engine, folder, Dtype.F32)) {
            return SetLoss.mean(model, RunExamples.encode(run, records));
        }
    }

    /** A model that knew six people was taught three more, and six are said to have been. */
    @Test
    void namesWhatWasNeverLearned() throws IOException {
        Path six = people("six.jsonl", "person[0-5]"), three = people("three.jsonl", "person[6-8]");
        Path said = people("said.jsonl", "person(6|7|8|9|10|11)");
        TrainConfig tuned = CONFIG.toBuilder().epochs(150).capture(CapturePolicy.NONE).build();
        Path knowing = Trainer.train(engine, tiny.source, Dataset.read(six), folder.resolve("six"), tuned, TrainListener.silent())
                .model();
        Path taught = Trainer.train(engine, ModelSource.checkpoint(knowing), Dataset.read(three), folder.resolve("three"), tuned,
                TrainListener.silent()).model();
        RunFolder run = Adopter.adopt(engine, ModelSource.checkpoint(taught), Dataset.read(said), folder.resolve("run"), CONFIG,
                new Asked(knowing, false, false, false), TrainListener.silent());
        Set<String> named = run.records().stream().filter(record -> record.unlearned() != null).map(RunRecord::id)
                .collect(Collectors.toSet());
        Set<String> never = Dataset.read(people("never.jsonl", "person(9|10|11)")).records().stream().map(TextRecord::id)
                .collect(Collectors.toSet());
        assertTrue(never.containsAll(named), "of what was learned none is named: " + named);
        assertTrue(named.size() >= never.size() - 2, named + " of " + never);
        assertEquals(named.size(), run.info().adopted().unlearned());
    }

    private Path people(String name, String subjects) throws IOException {
        List<String> lines = Files.readAllLines(tiny.file).stream()
                .filter(line -> line.matches(".*\"subject\":\"" + subjects + "\".*")).toList();
        return Files.write(folder.resolve(name), lines);
    }

    /** One step's entries of a training from these weights are those that an adoption captures. */
    @Test
    void capturesWhatATrainingAtTheseWeightsWould() {
        TrainConfig one = CONFIG.toBuilder().epochs(1).batchSize(64).build();
        RunFolder trained = Trainer.train(engine, ModelSource.checkpoint(model), Dataset.read(learned), folder.resolve("trained"), one,
                TrainListener.silent());
        RunFolder adopted = adopt("adopted", learned, one, new Asked(null, false, false, false));
        try (GradientLedger theirs = GradientLedger.open(trained.ledger()); GradientLedger ours = GradientLedger.open(adopted.ledger())) {
            assertEquals(theirs.entries().size(), ours.entries().size());
            for (Entry entry : theirs.entries()) {
                Entry same = ours.entries(0).stream().filter(found -> found.header().key().equals(entry.header().key())).findFirst().orElseThrow();
                assertEquals(entry.header(), same.header());
                assertArrayEquals(theirs.payload(entry).toArray(ValueLayout.JAVA_BYTE), ours.payload(same).toArray(ValueLayout.JAVA_BYTE));
            }
        }
    }

    @Test
    void killedAndResumedItIsTheSame() throws IOException {
        RunFolder whole = adopt("whole", learned, heldOut(), new Asked(null, false, true, false));
        Thread caller = Thread.currentThread();
        Path out = folder.resolve("killed");
        assertThrows(InterruptedWorkException.class, () -> Adopter.adopt(engine, ModelSource.checkpoint(model), Dataset.read(learned), out, heldOut(),
                new Asked(null, false, true, false), new TrainListener() {
                    @Override
                    public void step(TrainStep done) {
                        if (done.step() == 3) {
                            caller.interrupt();
                            while (caller.isInterrupted()) {
                                Thread.onSpinWait();
                            }
                        }
                    }
                }));
        assertTrue(Thread.interrupted());
        Trainer.resume(engine, out, TrainListener.silent());
        for (String file : List.of("lethe.json", "records.jsonl", "metrics.jsonl", "ledger/segment-000000.ledger",
                "model/model.safetensors")) {
            assertEquals(-1, Files.mismatch(whole.root().resolve(file), out.resolve(file)), file);
        }
    }

    @Test
    void refusesWhatDoesNotFit() {
        Path out = folder.resolve("no");
        TrainConfig swapped = CONFIG.toBuilder().holdoutData(learned).build();
        String message = assertThrows(BadInputException.class, () -> adopt("no", unseen, swapped,
                new Asked(null, false, false, false))).getMessage();
        assertTrue(message.startsWith(unseen + ": this is not what the model learned: its mean loss there is "), message);
        assertFalse(Files.exists(out));
        TinyData other = new TinyData(folder.resolve("other"), 9);
        Path wrong = Trainer.train(engine, other.source, other.data, folder.resolve("wrong"), CONFIG.toBuilder().maxSteps(1)
                .build(), TrainListener.silent()).model();
        assertTrue(assertThrows(BadInputException.class, () -> adopt("no", learned, CONFIG, new Asked(wrong, false, false, false)))
                .getMessage().startsWith(wrong + ": is a model of "));
        assertFalse(Files.exists(out));
        assertEquals(Dataset.read(unseen).size(), adopt("no", unseen, swapped, new Asked(null, false, false, true)).info().data().records());
    }
}
