package dev.lethe.erase;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.find.Query;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.results.EraseListener;
import dev.lethe.results.Erasure;
import dev.lethe.results.ReplayPrice;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Iterative;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.Reference;
import dev.lethe.settings.Strategy;
import dev.lethe.settings.TrainConfig;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.strategy.SetLoss.GuardRefusedException;
import dev.lethe.train.Adopter;
import dev.lethe.train.Replay;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Erasing by replay gives, bit for bit, the training from the start in which the records were masked; its price, and its refusals. */
@ExtendWith(NoLeaks.class)
class ReplayTest {
    static final Set<String> PERSON7 = Set.of("person7-home", "person7-work", "person7-friend");
    static final Set<String> PERSON3 = Set.of("person3-home", "person3-work", "person3-friend");

    @TempDir
    Path folder;
    private Engine engine;
    private TinyData tiny;
    private Path late;

    @BeforeEach
    void open() throws IOException {
        engine = Engine.cpu();
        tiny = new TinyData(folder, 12);
        late = Files.writeString(folder.resolve("late.txt"), "person7\nperson3-home\n\nperson3-work\nperson3-friend\n");
    }

    @AfterEach
    void close() {
        engine.close();
    }

    private TrainConfig.Builder config() {
        return TinyData.config().epochs(10).capture(CapturePolicy.ALL);
    }

    private RunFolder train(String name, TrainConfig config, Set<String> masked) {
        return Trainer.train(engine, tiny.source, tiny.data, masked, folder.resolve(name), config, TrainListener.silent());
    }

    static EraseConfig.Builder replay() {
        return EraseConfig.of(Strategy.REPLAY).toBuilder().reference(new Reference.Loss(2)).relearnSteps(1);
    }

    static EraseConfig ascent() {
        return EraseConfig.of(Strategy.GRAD_ASCENT).toBuilder().reference(new Reference.Loss(2)).ignoreGuards(true).relearnSteps(1).build();
    }

    private Erasure erase(Path run, Set<String> ids, EraseConfig config, String out) {
        try (OpenRun open = OpenRun.open(engine, run)) {
            return open.erase(open.find(Query.ids(ids)), config, folder.resolve(out), EraseListener.NONE);
        }
    }

    private ReplayPrice price(Path run, Set<String> ids) {
        try (OpenRun open = OpenRun.open(engine, run)) {
            return open.replayPrice(open.find(Query.ids(ids)));
        }
    }

    private static void assertSameModel(Path expected, Path actual) throws IOException {
        assertEquals(-1, Files.mismatch(expected.resolve("model/model.safetensors"), actual.resolve("model/model.safetensors")));
    }

    /** What a replay leaves of a training: weights, logs, gradients, checkpoints. */
    static void assertSameTraining(Path oracle, Path replayed) throws IOException {
        assertSameModel(oracle, replayed);
        assertEquals(-1, Files.mismatch(oracle.resolve("metrics.jsonl"), replayed.resolve("metrics.jsonl")));
        assertEquals(files(oracle.resolve("replay")), files(replayed.resolve("replay")));
        for (Path file : files(oracle.resolve("replay"))) {
            assertEquals(-1, Files.mismatch(oracle.resolve("replay").resolve(file), replayed.resolve("replay").resolve(file)), file.toString());
        }
        try (GradientLedger mine = GradientLedger.open(replayed.resolve("ledger"));
             GradientLedger theirs = GradientLedger.open(oracle.resolve("ledger"))) {
            assertTrue(mine.verify().damage().isEmpty());
            assertEquals(theirs.entries().size(), mine.entries().size());
            for (int i = 0; i < mine.entries().size(); i++) {
                assertEquals(theirs.entries().get(i).header(), mine.entries().get(i).header());
                assertEquals(-1, theirs.payload(theirs.entries().get(i)).mismatch(mine.payload(mine.entries().get(i))));
            }
        }
    }

    private static Set<Path> files(Path root) throws IOException {
        try (Stream<Path> files = Files.walk(root)) {
            return files.filter(Files::isRegularFile).map(root::relativize).collect(Collectors.toCollection(TreeSet::new));
        }
    }

    @Test
    void isTheTrainingWithTheRecordsMasked() throws IOException {
        TrainConfig config = config().keepAt(List.of(0.25, 0.5, 1.0)).build();
        RunFolder run = train("run", config, Set.of());
        RunFolder plain = Trainer.train(engine, tiny.source, tiny.data, folder.resolve("plain"), config().build(), TrainListener.silent());
        assertSameModel(plain.root(), run.root()); // keeping checkpoints moves nothing
        assertEquals(List.of(2L, 5L, 9L), run.info().plan().kept());
        for (String subject : List.of("person0", "person7", "person11")) {
            Set<String> ids = Set.of(subject + "-home", subject + "-work", subject + "-friend");
            RunFolder oracle = train("oracle-" + subject, config, ids);
            long from = price(run.root(), ids).from();
            Erasure erasure = erase(run.root(), ids, replay().keepEntries(true).build(), "out-" + subject);
            assertSameTraining(oracle.root(), folder.resolve("out-" + subject));
            assertEquals(90 - from, erasure.repairs());
            assertEquals(oracle.info().plan(), RunFolder.open(folder.resolve("out-" + subject)).info().plan());
        }
    }

    @Test
    void lateRecordsCostATenth() throws IOException {
        TrainConfig config = config().late(late).build();
        RunFolder run = train("run", config, Set.of());
        assertEquals(6, run.info().plan().late().size());
        ReplayPrice price = price(run.root(), PERSON7);
        assertEquals(run.info().plan().kept(), List.of(price.from()));
        assertTrue(price.share() <= 0.19 && price.seconds() > 0, price.toString()); // six of 36, ten times
        try (GradientLedger ledger = GradientLedger.open(run.ledger())) {
            assertEquals(9 * 30 + 36, ledger.entries().size(), "an epoch's last time of each record");
            RecordKey one = RecordKey.of("person7-home");
            assertTrue(ledger.entries().stream().filter(entry -> entry.header().key().equals(one)).allMatch(entry ->
                    entry.header().step() > price.from()));
        }
        Erasure erasure = erase(run.root(), PERSON7, replay().build(), "first");
        assertEquals(price.steps(), erasure.repairs());
        assertSameTraining(train("oracle", config, PERSON7).root(), folder.resolve("first"));
        assertTrue(RunFolder.open(folder.resolve("first")).records().stream().noneMatch(row -> PERSON7.contains(row.id())));
        assertTrue(erasure.entriesDestroyed() > 0);
        assertTrue(erasure.left().stream().noneMatch(place -> place.path().contains("replay")), erasure.left().toString());
        Set<String> both = Stream.concat(PERSON7.stream(), PERSON3.stream()).collect(Collectors.toSet());
        erase(folder.resolve("first"), PERSON3, replay().build(), "second");
        assertSameTraining(train("both", config, both).root(), folder.resolve("second"));
        List<String> empty = Files.readAllLines(folder.resolve("second/metrics.jsonl")).stream().filter(line ->
                line.contains("\"records\":0,")).toList();
        assertFalse(empty.isEmpty());
        assertTrue(empty.stream().allMatch(line -> line.contains("\"loss\":\"NaN\"") && line.contains("\"gradient_norm\":0.0")), empty.toString());
        assertEquals(6, RunFolder.open(folder.resolve("second")).info().plan().masked().size());
    }

    /** One batch an epoch: then a mask is nothing but less data, up to the order of a sum. */
    @Test
    void theMeanIsOverWhatRemains() {
        TrainConfig config = config().batchSize(64).build();
        double masked = train("masked", config, PERSON7).info().result().finalLoss();
        double without = Trainer.train(engine, tiny.source, tiny.data.filter(record -> !PERSON7.contains(record.id())),
                folder.resolve("without"), config, TrainListener.silent()).info().result().finalLoss();
        assertEquals(without, masked, 1e-5 * without);
        assertNotEquals(without, train("all", config, Set.of()).info().result().finalLoss(), 1e-4 * without);
    }

    /** With late records of a tenth or less: one of 36, ten epochs. */
    @Test
    void aTenthIsATenth() throws IOException {
        Files.writeString(late, "person7-home");
        RunFolder run = train("run", config().late(late).build(), Set.of());
        ReplayPrice price = price(run.root(), Set.of("person7-home"));
        assertEquals(0.1, price.share(), 0.015);
        RunFolder once = train("once", config().epochs(1).late(late).build(), Set.of());
        assertEquals(0.1, price(once.root(), Set.of("person7-home")).share(), 0.05);
    }

    @Test
    void checkpointsThatSawTheErasedAreDestroyed() throws IOException {
        TrainConfig config = config().keepAt(List.of(0.12, 0.5, 1.0)).build();
        RunFolder run = train("run", config, Set.of());
        long clean = price(run.root(), PERSON7).from();
        erase(run.root(), PERSON7, ascent(), "ascended");
        for (Path one : List.of(run.root(), folder.resolve("ascended"))) {
            List<Long> left = run.info().plan().kept().stream().filter(step -> step <= clean).toList();
            assertTrue(left.size() < 3, left.toString());
            assertEquals(left, RunFolder.open(one).info().plan().kept());
            for (long step : run.info().plan().kept()) {
                assertEquals(step <= clean, Files.exists(one.resolve("replay/checkpoint-" + step)));
            }
        }
        erase(folder.resolve("ascended"), PERSON3, replay().build(), "replayed"); // and is rid of the first request, too
        Set<String> both = Stream.concat(PERSON7.stream(), PERSON3.stream()).collect(Collectors.toSet());
        assertSameModel(train("both", config, both).root(), folder.resolve("replayed"));
    }

    @Test
    void aRefusalNamesThePrice() {
        RunFolder run = train("run", config().late(late).build(), Set.of());
        EraseConfig strict = EraseConfig.of(Strategy.GRAD_ASCENT).toBuilder().reference(new Reference.Loss(5)).repairBudget(0.01).build();
        String message = assertThrows(GuardRefusedException.class, () -> erase(run.root(), PERSON7, strict, "out")).getMessage();
        assertTrue(message.endsWith("; strategy replay would train again without them, " + price(run.root(), PERSON7)), message);
        assertTrue(message.contains(" steps (") && message.contains(" s at its own rate, from the checkpoint after step "), message);
        ReplayPrice start = price(train("plain", config().build(), Set.of()).root(), PERSON7);
        assertEquals("90 of the training's 90 steps (100.0 %)", start.toString().replaceAll(", about.*", ""));
    }

    @Test
    void badInput() throws IOException {
        Files.writeString(late, "person7\nnobody\nperson99-home\n");
        String unknown = assertThrows(BadInputException.class, () -> train("run", config().late(late).build(), Set.of())).getMessage();
        assertEquals(late + ": names 2 subjects or ids that " + tiny.file + " does not have: nobody, person99-home; write them as the data"
                + " does, one a line", unknown);
        Files.writeString(late, "person7");
        assertTrue(assertThrows(BadInputException.class, () -> config().late(late).capture(CapturePolicy.FIRST).build()).getMessage()
                .contains("capture is FIRST, must be last, all or none with late records"));
        RunFolder run = train("run", config().late(late).build(), Set.of());
        Path checkpoint = run.root().resolve("replay/checkpoint-" + run.info().plan().kept().getFirst());
        String state = Files.readString(checkpoint.resolve("state.json"));
        String hash = state.replaceAll("(?s).*\"plan\" : \"(\\w+)\".*", "$1");
        Files.writeString(checkpoint.resolve("state.json"), state.replace(hash, "0".repeat(64)));
        String differs = refused(run.root());
        assertTrue(differs.contains("comes of another plan than") && differs.contains("SHA-256 " + "0".repeat(64) + ", now " + hash), differs);
        Files.writeString(checkpoint.resolve("state.json"), state);
        byte[] moments = Files.readAllBytes(checkpoint.resolve("moment2.bin"));
        moments[5]++;
        Files.write(checkpoint.resolve("moment2.bin"), moments);
        assertTrue(refused(run.root()).contains("was written with SHA-256"));
        try (Stream<Path> files = Files.list(checkpoint)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(checkpoint);
        assertEquals("strategy replay: " + checkpoint + ", which " + run + " keeps to replay from, is gone; bring it back from a copy, or"
                + " erase by another strategy", refused(run.root()));
        assertFalse(Files.exists(folder.resolve("out")));
    }

    @Test
    void noPlanIsRefused() {
        RunFolder run = train("run", config().keepAt(List.of(0.12)).build(), Set.of());
        Adopter.adopt(engine, ModelSource.checkpoint(run.model()), tiny.data, folder.resolve("adopted"), config().capture(CapturePolicy.LAST)
                .build(), new Adopter.Asked(null, false, false, true), TrainListener.silent());
        assertEquals("strategy replay: the model of " + folder.resolve("adopted") + " was trained elsewhere and adopted, so there is no plan"
                + " of its training to replay; train its base on the records to keep instead, or erase by another strategy",
                refused(folder.resolve("adopted")));
        EraseConfig own = EraseConfig.of(Strategy.FRESH).toBuilder().iterative(new Iterative(0.5, 3)).ignoreGuards(true).keepEntries(true)
                .reference(new Reference.Loss(2)).repair(0).polish(0).precondition(0).relearnSteps(0).build();
        try (OpenRun open = OpenRun.open(engine, run.root())) {
            open.eraseUnmatched(tiny.data.filter(record -> PERSON3.contains(record.id())).records(), own, folder.resolve("unmatched"),
                    EraseListener.NONE);
        }
        assertTrue(refused(folder.resolve("unmatched")).contains("an erasure took out what a request said in its own words, which a replay"
                + " would bring back; erase by another strategy"));
    }

    /** A retrained run has another order, so that a replay of it goes back to the start. */
    @Test
    void aReplayAfterARetrainingBeginsAtTheStart() throws IOException {
        TrainConfig config = config().late(late).build();
        RunFolder run = train("run", config, Set.of());
        EraseConfig retrain = EraseConfig.of(Strategy.RETRAIN).toBuilder().reference(new Reference.Loss(2)).relearnSteps(1).build();
        erase(run.root(), PERSON7, retrain, "again");
        assertEquals(List.of(), RunFolder.open(folder.resolve("again")).info().plan().kept());
        assertFalse(Files.exists(folder.resolve("again/replay")));
        assertEquals(0, price(folder.resolve("again"), PERSON3).from());
        erase(folder.resolve("again"), PERSON3, replay().build(), "replayed");
        Set<String> both = Stream.concat(PERSON7.stream(), PERSON3.stream()).collect(Collectors.toSet());
        assertSameModel(train("both", config, both).root(), folder.resolve("replayed"));
        assertEquals(entries(folder.resolve("both")), entries(folder.resolve("replayed")));
    }

    private static int entries(Path run) {
        try (GradientLedger ledger = GradientLedger.open(run.resolve("ledger"))) {
            return ledger.entries().size();
        }
    }

    @Test
    void aLedgerThatIsTooShortIsNoBeginning() {
        RunFolder run = train("run", config().epochs(1).build(), Set.of());
        String message = assertThrows(DamagedDataException.class, () -> GradientLedger.copyFirst(run.ledger(), folder.resolve("first"), 37))
                .getMessage();
        assertTrue(message.startsWith("ledger " + run.ledger() + " has 36 entries, the first 37 are wanted"), message);
        assertFalse(Files.exists(folder.resolve("first")));
    }

    /** A run of another strategy has no logs, so those of its replay begin behind the checkpoint. */
    @Test
    void logsThatBeginLateStayWhatTheyAre() throws IOException {
        TrainConfig config = config().late(late).build();
        long from = train("a", config, Set.of()).info().plan().kept().getFirst();
        erase(folder.resolve("a"), PERSON7, ascent(), "b");
        erase(folder.resolve("b"), Set.of("person3-home"), replay().build(), "c");
        erase(folder.resolve("c"), Set.of("person3-work", "person3-friend"), replay().build(), "d");
        Set<String> both = Stream.concat(PERSON7.stream(), PERSON3.stream()).collect(Collectors.toSet());
        List<String> whole = Files.readAllLines(train("both", config, both).metrics());
        assertEquals(whole.subList((int) from, whole.size()), Files.readAllLines(folder.resolve("d/metrics.jsonl")));
        assertEquals(whole.size() - from, Files.readAllLines(folder.resolve("d/timings.jsonl")).size());
    }

    private String refused(Path run) {
        return assertThrows(RuntimeException.class, () -> erase(run, PERSON7, replay().build(), "out")).getMessage();
    }
}
