package dev.lethe.erase;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.LetheException;
import dev.lethe.base.BadInputException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.RankGroup;
import dev.lethe.engine.RankGroup.RankException;
import dev.lethe.find.Query;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.results.EraseListener;
import dev.lethe.results.EraseStep;
import dev.lethe.results.Erasure;
import dev.lethe.results.Losses;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunJson;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.FixedRate;
import dev.lethe.settings.Reference;
import dev.lethe.settings.Strategy;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import dev.lethe.strategy.SetLoss.GuardRefusedException;
import dev.lethe.train.ThreadRanks;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** An erasure that several ranks share is that of one process but for the order in which gradients are added, or it is nothing. */
@ExtendWith(NoLeaks.class)
class SharedErasureTest {
    /** Of losses and weights, relative: what the order of fp32 sums comes to over some forty steps; docs/scaling.md. */
    private static final double LOSSES = 1e-4;
    private static final double VECTORS = 1e-3;
    private static final EraseConfig CONFIG = EraserTest.CONFIG.toBuilder().keepEntries(true).build();

    @TempDir
    Path folder;
    private Path source;

    @BeforeEach
    void train() {
        TinyData tiny = new TinyData(folder, 12);
        source = folder.resolve("source");
        try (Engine engine = Engine.open(Device.cpu(), Dtype.F32, 1)) {
            Trainer.train(engine, tiny.source, tiny.data, source, TinyData.config().epochs(40).holdoutFraction(0.2).build(),
                    TrainListener.silent());
        }
    }

    private Erasure erase(RankGroup group, EraseConfig config, String out, EraseListener listener) {
        try (Engine engine = Engine.open(Device.cpu(), Dtype.F32, 1).among(() -> group); OpenRun run = OpenRun.open(engine, source)) {
            return run.erase(run.find(Query.subject("person1")), config, folder.resolve(out), listener);
        }
    }

    private List<Object> erase(int ranks, EraseConfig config, String out) {
        return ThreadRanks.run(ranks, group -> erase(group, config, out, EraseListener.NONE));
    }

    private static void assertClose(Losses expected, Losses found) {
        assertEquals(1, found.forget() / expected.forget(), LOSSES, found + " beside " + expected);
        assertEquals(1, found.retain() / expected.retain(), LOSSES, found + " beside " + expected);
        assertEquals(1, found.heldOut() / expected.heldOut(), LOSSES, found + " beside " + expected);
    }

    private double apart(String one, String other) {
        try (Engine engine = Engine.cpu(); LanguageModel a = Checkpoint.load(engine, folder.resolve(one, "model"), Dtype.F32);
                LanguageModel b = Checkpoint.load(engine, folder.resolve(other, "model"), Dtype.F32)) {
            double size = a.buffer(Buffer.PARAMETERS).norm();
            b.buffer(Buffer.PARAMETERS).axpy(-1, a.buffer(Buffer.PARAMETERS));
            return b.buffer(Buffer.PARAMETERS).norm() / size;
        }
    }

    @Test
    void stepsLossesAndWeightsAreThoseOfOneProcess() throws IOException {
        Erasure one = assertInstanceOf(Erasure.class, erase(1, CONFIG, "on-1").getFirst());
        List<String> steps = Files.readAllLines(folder.resolve("on-1/journal/steps.jsonl"));
        for (int ranks : new int[] {2, 3}) {
            List<EraseStep> heard = new ArrayList<>();
            List<Object> all = ThreadRanks.run(ranks, group -> erase(group, CONFIG, "on-" + ranks, new EraseListener() {
                @Override
                public void step(EraseStep step, double target) {
                    heard.add(step); // the first rank's: the others' listeners are told nothing
                }
            }));
            assertEquals(steps.size(), heard.size());
            assertEquals(steps.size(), Files.readAllLines(folder.resolve("on-" + ranks + "/journal/steps.jsonl")).size());
            Erasure shared = assertInstanceOf(Erasure.class, all.getFirst());
            assertEquals(one.ascents(), shared.ascents());
            assertEquals(one.repairs(), shared.repairs());
            assertClose(one.before(), shared.before());
            assertClose(one.after(), shared.after());
            assertEquals(1, shared.relearning().after() / one.relearning().after(), LOSSES);
            assertEquals(one.influence().magnitude("forget").keySet(), shared.influence().magnitude("forget").keySet());
            assertTrue(apart("on-1", "on-" + ranks) < VECTORS, "weights differ by " + apart("on-1", "on-" + ranks));
            all.forEach(account -> assertEquals(RunJson.line(shared), RunJson.line(account)));
        }
    }

    /** Every rank's weights are held to the first one's before anything is written. */
    @ParameterizedTest
    @EnumSource(value = Strategy.class, names = {"FIRST_EPOCH", "MULTI_EPOCH", "DPO", "ALTPO", "REPLAY"}, mode = EnumSource.Mode.EXCLUDE)
    void everyStrategyComesToOneResultOnAllRanks(Strategy strategy) {
        EraseConfig config = EraseConfig.of(strategy).toBuilder().reference(new Reference.Loss(2)).ignoreGuards(true).relearnSteps(0)
                .precondition(strategy.kind() == Strategy.Kind.ASCENT ? 2 : 0).hold(2).polish(8).build();
        List<Object> ends = erase(2, config, "out");
        Erasure erasure = assertInstanceOf(Erasure.class, ends.getFirst(), ends.toString());
        assertEquals(RunJson.line(erasure), RunJson.line(ends.get(1)));
        assertEquals(3, erasure.entriesDestroyed());
        assertEquals(33, RunFolder.open(folder.resolve("out")).records().size());
        try (GradientLedger ledger = GradientLedger.open(folder.resolve("out/ledger"))) {
            assertTrue(ledger.verify().whole());
        }
        assertOnly("out", "people.jsonl", "source", "tokenizer");
    }

    @Test
    void aStepThatLeavesNoNumberOnOneRankIsJudgedByAll() {
        for (EraseConfig config : List.of(CONFIG, EraseConfig.of(Strategy.GRAD_ASCENT))) {
            EraseConfig far = config.toBuilder().precondition(0).fixed(new FixedRate(1e39, 2)).reference(new Reference.Loss(3)).build();
            erase(2, far, "out").forEach(end -> assertTrue(assertInstanceOf(GuardRefusedException.class, end).getMessage()
                    .contains("the numbers are no longer finite"), end.toString()));
        }
        assertOnly("people.jsonl", "source", "tokenizer");
    }

    @Test
    void aGuardRefusesOnAllAndAFailureOfOneIsAllRanksFailure() {
        for (Object end : erase(2, CONFIG.toBuilder().reference(new Reference.Loss(50)).build(), "out")) {
            assertTrue(assertInstanceOf(GuardRefusedException.class, end).getMessage().startsWith("erasure refused, nothing was changed"));
        }
        List<Object> ends = ThreadRanks.run(3, group -> erase(group, CONFIG, "out", new EraseListener() {
            @Override
            public void step(EraseStep step, double target) {
                if (step.index() == 5) {
                    throw new BadInputException("the disk is full; make room");
                }
            }
        }));
        ThreadRanks.assertFirstFailed("the disk is full; make room", ends);
        assertOnly("people.jsonl", "source", "tokenizer");
        assertEquals(36, RunFolder.open(source).records().size());
    }

    @Test
    void anInterruptOfOneEndsAllAndLeavesNothing() {
        Set<String> ends = ThreadRanks.run(2, group -> {
            Thread caller = Thread.currentThread();
            try {
                return erase(group, CONFIG, "out", new EraseListener() {
                    @Override
                    public void step(EraseStep step, double target) {
                        if (step.action() == EraseStep.Action.REPAIR) {
                            caller.interrupt();
                        }
                    }
                });
            } finally {
                Thread.interrupted();
            }
        }).stream().map(end -> end instanceof InterruptedWorkException || end instanceof RankException told
                && told.code() == LetheException.Code.CANCELLED ? "ended" : end.toString()).collect(Collectors.toSet());
        assertEquals(Set.of("ended"), ends);
        assertOnly("people.jsonl", "source", "tokenizer");
    }

    @Test
    void ranksThatAreNotAtTheSameAndWhatTheyCannotShareAreRefused() {
        assertRefused("rank 1 of 2 differs from rank 0 in options: repair is 2, rank 0 has 3; start every rank with one command, the same"
                + " files and the same build of Lethe", ThreadRanks.run(2, group -> erase(group,
                CONFIG.toBuilder().repair(group.rank() == 0 ? 3 : 2).build(), "out", EraseListener.NONE)));
        assertRefused("rank 1 of 2 differs from rank 0 in the new run's folder: " + folder.resolve("out1") + ", rank 0 "
                + folder.resolve("out0") + "; start every rank with one command, the same files and the same build of Lethe",
                ThreadRanks.run(2, group -> erase(group, CONFIG, "out" + group.rank(), EraseListener.NONE)));
        assertRefused("strategy replay: a replay is one process's; leave ranks out, or take strategy retrain",
                erase(2, EraseConfig.of(Strategy.REPLAY), "out"));
        assertOnly("people.jsonl", "source", "tokenizer");
    }

    private static void assertRefused(String message, List<Object> ends) {
        ends.forEach(end -> assertEquals(message, assertInstanceOf(BadInputException.class, end).getMessage()));
    }

    private void assertOnly(String... names) {
        try (Stream<Path> all = Files.list(folder)) {
            assertEquals(new TreeSet<>(Set.of(names)), all.map(path -> path.getFileName().toString())
                    .collect(Collectors.toCollection(TreeSet::new)));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        assertFalse(Files.exists(source.resolve("run.lock")));
    }
}
