package dev.lethe.settings;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.erase.OpenRun;
import dev.lethe.find.Query;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.results.EraseListener;
import dev.lethe.results.Erasure;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.shape.ModelShape;
import dev.lethe.strategy.SetLoss.GuardRefusedException;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Every strategy erases a person from a tiny run; and the variants: single epochs, fixed rates, rounds, untied heads. */
@ExtendWith(NoLeaks.class)
class StrategyTest {
    private static final double TARGET = 2;

    @TempDir
    Path folder;
    private Engine engine;
    private TinyData tiny;
    private Path source;

    @BeforeEach
    void train() {
        engine = Engine.cpu();
        tiny = new TinyData(folder, 12);
        source = train("source", tiny.source, tiny.data, TinyData.config().epochs(40).capture(CapturePolicy.ALL)
                .holdoutFraction(0.2).build());
    }

    @AfterEach
    void close() {
        engine.close();
    }

    private Path train(String name, ModelSource model, dev.lethe.data.Dataset data, TrainConfig config) {
        Path run = folder.resolve(name);
        Trainer.train(engine, model, data, run, config, TrainListener.silent());
        return run;
    }

    private static EraseConfig.Builder config(Strategy strategy) {
        EraseConfig.Builder config = EraseConfig.of(strategy).toBuilder().reference(new Reference.Loss(TARGET)).keepEntries(true)
                .ignoreGuards(true).retainGuard(1e9).repairBudget(1).relearnSteps(2);
        if (strategy == Strategy.SATIMP) {
            config.tuning(Parameter.BETA, 1); // p^5 stands still
        }
        return strategy.kind() == Strategy.Kind.OBJECTIVE ? config.tuning(Parameter.FORGET_WEIGHT, 1) : config;
    }

    private Erasure erase(EraseConfig config, String out) {
        return erase(source, config, out);
    }

    private Erasure erase(Path run, EraseConfig config, String out) {
        try (OpenRun open = OpenRun.open(engine, run)) {
            return open.erase(open.find(Query.subject(open.records().getFirst().subject())), config, folder.resolve(out),
                    EraseListener.NONE);
        }
    }

    @ParameterizedTest
    @EnumSource(value = Strategy.class, names = {"DPO", "ALTPO"}, mode = EnumSource.Mode.EXCLUDE) // below: they need answers
    void everyStrategyForgets(Strategy strategy) throws IOException {
        Erasure erasure = erase(config(strategy).build(), "out");
        assertTrue(erasure.before().forget() < 1.5, "the run must know the person first: " + erasure.before());
        boolean reference = strategy.kind() == Strategy.Kind.RETRAIN;
        double least = reference ? erasure.before().forget() : 0.98 * TARGET;
        assertTrue(erasure.after().forget() > least, strategy + ": " + erasure.before() + " to " + erasure.after());
        assertTrue(erasure.reached(), strategy + ": " + erasure.broken());
        assertEquals(reference ? 0 : 1, Math.signum(erasure.ascents()), "steps of " + strategy);
        List<String> steps = Files.readAllLines(folder.resolve("out/journal/steps.jsonl"));
        assertTrue(steps.size() >= 2 && steps.getFirst().contains("\"START\""), steps.toString());
    }

    @ParameterizedTest
    @EnumSource(value = Strategy.class, names = {"DPO", "ALTPO"})
    void otherAnswersTakeARecordsPlace(Strategy strategy) throws IOException {
        Path wrong = folder.resolve("wrong.jsonl");
        String line = "{\"id\":\"person%d-home\",\"prompt\":\"where does person%d live ?\",\"completion\":\"in Aldra\","
                + "\"perturbed\":[\"in kites\",\"in maps\"]}\n";
        Files.writeString(wrong, line.formatted(0, 0) + line.formatted(1, 1));
        EraseConfig.Builder config = config(strategy).alternates(strategy == Strategy.ALTPO ? wrong : null);
        assertTrue(erase(config.build(), Query.ids(Set.of("person1-home")), "out").reached(), strategy.label());
        BadInputException text = assertThrows(BadInputException.class,
                () -> erase(config.build(), Query.ids(Set.of("person1-work")), "text"));
        assertEquals("strategy " + strategy.label() + " puts another answer in the place of each record's, and record person1-work has none: it"
                + " has no prompt, or is a conversation that does not end with an answer", text.getMessage());
        if (strategy == Strategy.DPO) {
            assertEquals("alternates is " + wrong + ", must be none but with altpo",
                    assertThrows(BadInputException.class, () -> config.alternates(wrong).build()).getMessage());
        } else {
            assertEquals(wrong + ": has no wrong answers for record person2-home, neither by its id nor by its prompt; strategy"
                    + " altpo needs some for every record to erase", assertThrows(BadInputException.class,
                            () -> erase(config.build(), Query.ids(Set.of("person2-home")), "missing")).getMessage());
            EraseConfig none = config.alternates(null).build();
            assertEquals("strategy altpo needs a file of wrong answers to the records to erase, as TOFU's"
                    + " perturbed sets are", assertThrows(BadInputException.class,
                            () -> erase(none, Query.ids(Set.of("person1-home")), "none")).getMessage());
        }
    }

    private Erasure erase(EraseConfig config, Query query, String out) {
        try (OpenRun open = OpenRun.open(engine, source)) {
            return open.erase(open.find(query), config, folder.resolve(out), EraseListener.NONE);
        }
    }

    /** Accounts of before an option was there are read as the strategy was then. */
    @Test
    void tuningOfOlderAccounts() {
        Tuning read = dev.lethe.run.RunJson.read("{\"retain_weight\":1,\"forget_weight\":1,\"beta\":0.1,\"delta\":0,"
                + "\"learning_rate\":0,\"steering\":20,\"block\":-1,\"damping\":0,\"tune_steps\":30}", Tuning.class, "account");
        assertEquals(0.1, read.get(Parameter.BETA));
        assertThrows(IllegalArgumentException.class, () -> read.get(Parameter.BETA2));
    }

    @Test
    void retrainingIsATrainingWithoutTheRecords() throws IOException {
        Erasure erasure = erase(config(Strategy.RETRAIN).keepEntries(false).build(), "out");
        Set<String> gone = Set.copyOf(erasure.records());
        var kept = RunFolder.open(source).data(dev.lethe.run.RunRecord.Split.TRAIN).filter(record -> !gone.contains(record.id()));
        Path own = train("own", tiny.source, kept, TinyData.config().epochs(40).capture(CapturePolicy.ALL).build());
        assertEquals(Checkpoint.hash(own.resolve("model")), Checkpoint.hash(folder.resolve("out/model")));
        assertFalse(Files.exists(folder.resolve("out/retrained")));
        try (GradientLedger mine = GradientLedger.open(folder.resolve("out/ledger"));
             GradientLedger theirs = GradientLedger.open(own.resolve("ledger"))) {
            assertEquals(theirs.entries().size(), mine.entries().size());
            assertTrue(mine.verify().damage().isEmpty());
        }
    }

    @Test
    void singleEpochs() {
        Erasure first = erase(config(Strategy.FIRST_EPOCH).build(), "first");
        Erasure same = erase(config(Strategy.MULTI_EPOCH).epochs(Epochs.FIRST).build(), "same");
        Erasure tenth = erase(config(Strategy.MULTI_EPOCH).epochs(Epochs.parse("10")).build(), "tenth");
        assertEquals(first.after(), same.after());
        Erasure last = erase(config(Strategy.LAST_EPOCH).build(), "last");
        assertEquals(last.after(), erase(config(Strategy.MULTI_EPOCH).epochs(Epochs.of(39)).build(), "named").after());
        assertTrue(last.reached() && !last.after().equals(first.after()), "last epoch: " + last.after());
        assertTrue(tenth.reached() && !tenth.after().equals(first.after()), "epoch 10: " + tenth.after());
        BadInputException refused = assertThrows(BadInputException.class,
                () -> erase(config(Strategy.MULTI_EPOCH).epochs(Epochs.of(40)).build(), "none"));
        assertEquals("epochs 40: this run captured epochs 0 to 39, counted from 0; use the strategy last-epoch, or train with"
                + " capture all", refused.getMessage());
        assertEquals("epochs is all, but first-epoch takes no other gradients than its own; multi-epoch takes those of any epoch",
                assertThrows(BadInputException.class,
                        () -> config(Strategy.FIRST_EPOCH).epochs(Epochs.ALL).build()).getMessage());
    }

    @Test
    void fixedRatesTakeTheirStepsAndNoMore() {
        for (Strategy strategy : List.of(Strategy.FIRST_EPOCH, Strategy.TASK_VECTOR, Strategy.NPO)) {
            FixedRate fixed = new FixedRate(strategy == Strategy.NPO ? 1e-3 : 0.1, 4);
            Erasure erasure = erase(config(strategy).fixed(fixed).precondition(0).repair(0).polish(0).build(), strategy.label());
            assertEquals(4, erasure.ascents(), erasure.before() + " to " + erasure.after());
            assertTrue(erasure.after().forget() > erasure.before().forget(), erasure.before() + " to " + erasure.after());
        }
        GuardRefusedException refused = assertThrows(GuardRefusedException.class, () -> erase(
                config(Strategy.FRESH).fixed(new FixedRate(1e45, 4)).precondition(0).repair(0).polish(0).build(), "never"));
        assertTrue(refused.getMessage().contains("take a lower rate or fewer steps"), refused.getMessage());
    }

    @Test
    void roundsNeedNoMatch() throws IOException {
        EraseConfig rounds = config(Strategy.FRESH).contrast(Contrast.NONE).repair(0)
                .iterative(Iterative.parse("0.1x40")).build();
        try (OpenRun run = OpenRun.open(engine, source)) {
            String person = run.records().getFirst().subject();
            List<TextRecord> own = run.records().stream().filter(record -> person.equals(record.subject()))
                    .map(record -> new TextRecord("mine-" + record.id(), null, record.prompt(), record.completion())).toList();
            Erasure erasure = run.eraseUnmatched(own, rounds, folder.resolve("out"), EraseListener.NONE);
            assertTrue(erasure.reached() && erasure.influenceLeft() <= 0.1, erasure.before() + " to " + erasure.after());
            assertEquals(List.of(), erasure.records());
        }
        assertEquals(RunFolder.open(source).records().size(), RunFolder.open(folder.resolve("out")).records().size());
    }

    @Test
    void untiedHeadsHaveSitesOfTheirOwn() {
        ModelShape shape = ((ModelSource.Fresh) tiny.source).shape();
        ModelShape untied = new ModelShape(shape.vocabulary(), shape.context(), shape.channels(), shape.heads(), shape.layers(),
                shape.inner(), shape.normEpsilon(), false);
        Path run = train("untied", new ModelSource.Fresh(untied, tiny.tokenizer), tiny.data,
                TinyData.config().epochs(40).holdoutFraction(0.2).build());
        for (String sites : List.of("embedding", "embedding-input", "head", "attention", "mlp")) {
            Erasure erasure = erase(run, config(Strategy.LAST_EPOCH).sites(sites).build(), sites);
            assertTrue(erasure.after().forget() > erasure.before().forget(), sites + ": " + erasure.after());
        }
        assertFalse(((ModelSource.Fresh) ModelSource.parse("gpt2:layers=2,untied")).shape().tiedHead());
    }

    @Test
    void whatAStrategyCannotUseIsRefused() {
        String unused = assertThrows(BadInputException.class,
                () -> EraseConfig.defaults().toBuilder().strategy(Strategy.NPO).contrast(Contrast.span(8)).build()).getMessage();
        assertTrue(unused.contains("precondition is 8, must be 0: only a calibrated ascent is scaled"), unused);
        assertTrue(unused.contains("contrast is span:8, but npo follows no direction"), unused);
        assertThrows(BadInputException.class,
                () -> EraseConfig.of(Strategy.NPO).toBuilder().iterative(new Iterative(0.1, 3)).build());
        assertThrows(BadInputException.class,
                () -> EraseConfig.of(Strategy.RETRAIN).toBuilder().fixed(new FixedRate(1, 3)).build());
        assertThrows(IllegalArgumentException.class, () -> Epochs.parse("second"));
        assertThrows(IllegalArgumentException.class, () -> FixedRate.parse("0.5"));
        assertThrows(IllegalArgumentException.class, () -> Strategy.NPO.tuning().with(Parameter.BETA, 0));
        assertThrows(IllegalArgumentException.class, () -> EraseConfig.of(Strategy.NPO).toBuilder().tuning(Parameter.DELTA, 1));
        assertThrows(IllegalArgumentException.class, () -> EraseConfig.of(Strategy.RMU).toBuilder().tuning(Parameter.BLOCK, 0.5));
        assertArrayEquals(new String[] {"0.5x20", "0.1x3"},
                new String[] {FixedRate.parse("0.5x20").toString(), Iterative.parse("0.1x3").toString()});
    }
}
