package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.LetheException;
import dev.lethe.base.BadInputException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.RankGroup;
import dev.lethe.engine.RankGroup.RankException;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.results.TrainListener;
import dev.lethe.results.TrainStep;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunJson;
import dev.lethe.run.RunRecord;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import dev.lethe.text.Example;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A training that several ranks share is that of one process but for the order in which gradients are added. */
@ExtendWith(NoLeaks.class)
class RanksTest {
    /** Of losses, entries and weights: what the order of fp32 sums comes to over 36 steps; docs/scaling.md. */
    private static final double LOSSES = 1e-5;
    private static final double VECTORS = 1e-3;
    private static final TrainConfig CONFIG = TinyData.config().capture(TrainConfig.CapturePolicy.ALL).holdoutFraction(0.1)
            .checkpointEverySteps(5).build();

    @TempDir
    Path folder;
    private TinyData tiny;

    @BeforeEach
    void write() {
        tiny = new TinyData(folder, 12);
    }

    private RunFolder train(RankGroup group, Path out, TrainConfig config, TrainListener listener) {
        try (Engine engine = Engine.open(Device.cpu(), Dtype.F32, 1).among(() -> group)) {
            return Trainer.train(engine, tiny.source, tiny.data, out, config, listener);
        }
    }

    private RunFolder resume(RankGroup group, Path out) {
        try (Engine engine = Engine.open(Device.cpu(), Dtype.F32, 1).among(() -> group)) {
            return Trainer.resume(engine, out, TrainListener.silent());
        }
    }

    private Path trained(int ranks) {
        Path out = folder.resolve("on-" + ranks);
        ThreadRanks.run(ranks, group -> train(group, out, CONFIG, TrainListener.silent()))
                .forEach(run -> assertEquals(RunInfo.State.COMPLETE, assertInstanceOf(RunFolder.class, run).info().state()));
        return out;
    }

    @Test
    void everyRecordIsOneRanksAndTokensAreBalanced() {
        List<Example> examples = IntStream.of(5, 1, 9, 3, 3, 12, 1, 7).mapToObj(RanksTest::example).toList();
        int[] indices = {7, 0, 5, 2, 6, 1};
        for (int size = 1; size < 10; size++) {
            int before = 0;
            for (int rank = 0; rank < size; rank++) {
                int[] share = Ranks.share(examples, indices, rank, size);
                assertEquals(before, share[0]);
                before = share[1];
            }
            assertEquals(indices.length, before);
        }
        assertArrayEquals(new int[] {0, 2}, Ranks.share(examples, indices, 0, 2)); // 7 + 5 tokens of 35; 12's middle is the 18th
        assertArrayEquals(new int[] {0, 0}, Ranks.share(examples, new int[0], 0, 2));
    }

    private static Example example(int tokens) {
        int[] targets = IntStream.range(0, tokens).toArray();
        return new Example("r" + tokens, 0, targets, targets, false);
    }

    @Test
    void lossesWeightsAndEntriesAreThoseOfOneProcess() throws IOException {
        Path one = trained(1);
        for (int ranks : new int[] {2, 3, 6}) { // batches of 4: of 6 ranks some have no record
            Path several = trained(ranks);
            List<Double> expected = losses(one);
            List<Double> found = losses(several);
            assertEquals(expected.size(), found.size());
            for (int i = 0; i < expected.size(); i++) {
                assertEquals(1, found.get(i) / expected.get(i), LOSSES, "loss " + i + " on " + ranks + " ranks");
            }
            compareVectors(one, several);
        }
    }

    /** The lines' losses, then those of held-out records. */
    private static List<Double> losses(Path run) throws IOException {
        List<Double> losses = new ArrayList<>();
        for (String field : List.of("loss", "holdout_loss")) {
            for (String line : Files.readAllLines(run.resolve("metrics.jsonl"))) {
                if (RunJson.tree(line, "metrics").has(field)) {
                    losses.add(RunJson.tree(line, "metrics").get(field).asDouble());
                }
            }
        }
        return losses;
    }

    private static void compareVectors(Path one, Path several) {
        try (Engine engine = Engine.cpu(); LanguageModel model = Checkpoint.load(engine, one.resolve("model"), Dtype.F32);
                LanguageModel other = Checkpoint.load(engine, several.resolve("model"), Dtype.F32);
                ParameterVector direction = model.vector();
                GradientLedger expected = GradientLedger.open(one.resolve("ledger"));
                GradientLedger found = GradientLedger.open(several.resolve("ledger"))) {
            float[] mine = model.buffer(dev.lethe.engine.Buffer.PARAMETERS).readFloats(0, (int) model.flatSize());
            float[] theirs = other.buffer(dev.lethe.engine.Buffer.PARAMETERS).readFloats(0, (int) model.flatSize());
            double apart = 0;
            double size = 0;
            for (int i = 0; i < mine.length; i++) {
                apart += Math.pow(mine[i] - theirs[i], 2);
                size += Math.pow(mine[i], 2);
            }
            assertTrue(Math.sqrt(apart / size) < VECTORS, "weights differ by " + Math.sqrt(apart / size));
            direction.random(ParameterVector.Distribution.NORMAL, 1);
            assertEquals(expected.entries().size(), found.entries().size());
            for (int i = 0; i < expected.entries().size(); i++) {
                Entry entry = expected.entries().get(i);
                Entry same = found.entries().get(i);
                assertEquals(entry.header(), same.header(), "the order of one process");
                double[] a = products(model, expected, entry, direction);
                double[] b = products(model, found, same, direction);
                for (int site = 0; site < a.length; site++) {
                    assertEquals(a[site], b[site], VECTORS * (1 + Math.abs(a[site])), "entry " + i + ", site " + site);
                }
            }
        }
    }

    private static double[] products(LanguageModel model, GradientLedger ledger, Entry entry, ParameterVector direction) {
        return model.entries().dot(ledger.format(model), List.of(ledger.payload(entry)), null, direction)[0];
    }

    @Test
    void aReplayGoesOnWithTheEntriesOfAllRanks() throws IOException {
        TrainConfig config = CONFIG.toBuilder().holdoutFraction(0).checkpointEverySteps(0).keepAt(List.of(0.5)).build();
        List<Path> replayed = new ArrayList<>();
        for (int ranks : new int[] {1, 2}) {
            Path out = folder.resolve("kept-on-" + ranks);
            ThreadRanks.run(ranks, group -> train(group, out, config, TrainListener.silent()));
            RunFolder run = RunFolder.open(out);
            String late = run.records().stream().map(RunRecord::id).filter(id -> Replay.price(run, Set.of(id)).from() > 0).findFirst()
                    .orElseThrow();
            try (Engine engine = Engine.open(Device.cpu(), Dtype.F32, 1)) {
                replayed.add(Replay.of(engine, run, tiny.data.filter(record -> !record.id().equals(late)), folder.resolve("replay-" + ranks),
                        TrainListener.silent()).root());
            }
        }
        assertEquals(4 * 35, RunFolder.open(replayed.get(1)).info().result().ledger().entries(), "all but the record left out");
        compareVectors(replayed.get(0), replayed.get(1));
    }

    @Test
    void aFailureOfOneIsAllRanksFailure() {
        Path out = folder.resolve("failed");
        List<Object> ends = ThreadRanks.run(3, group -> train(group, out, CONFIG, new TrainListener() {
            @Override
            public void step(TrainStep step) {
                if (step.step() == 12) { // rank 0's: the others' listeners are told nothing
                    throw new BadInputException("the disk is full; make room");
                }
            }
        }));
        ThreadRanks.assertFirstFailed("the disk is full; make room", ends);
        assertEquals(10, TrainCheckpoint.last(RunFolder.openAny(out)));
    }

    @Test
    void goesOnOnAnotherNumberOfRanks() throws IOException {
        Path one = trained(1);
        Path out = folder.resolve("changing");
        for (int[] part : new int[][] {{3, 7}, {1, 13}, {2, 22}, {4, -1}}) { // ranks, and the step at which the first is interrupted
            Function<RankGroup, Object> body = group -> out.resolve("lethe.json").toFile().exists() ? interrupted(group, out, part[1], true)
                    : interrupted(group, out, part[1], false);
            for (Object end : ThreadRanks.run(part[0], body)) {
                if (part[1] > 0) {
                    assertInstanceOf(InterruptedWorkException.class, end);
                } else {
                    assertInstanceOf(RunFolder.class, end);
                }
            }
        }
        List<Double> expected = losses(one);
        List<Double> found = losses(out);
        assertEquals(expected.size(), found.size());
        for (int i = 0; i < expected.size(); i++) {
            assertEquals(1, found.get(i) / expected.get(i), LOSSES);
        }
        compareVectors(one, out);
    }

    private RunFolder interrupted(RankGroup group, Path out, int step, boolean resumed) {
        Thread caller = Thread.currentThread();
        TrainListener listener = new TrainListener() {
            @Override
            public void step(TrainStep done) {
                if (done.step() == step) {
                    caller.interrupt();
                    while (caller.isInterrupted()) { // until it has woken
                        Thread.onSpinWait();
                    }
                }
            }
        };
        try (Engine engine = Engine.open(Device.cpu(), Dtype.F32, 1).among(() -> group)) {
            return resumed ? Trainer.resume(engine, out, listener)
                    : Trainer.train(engine, tiny.source, tiny.data, out, CONFIG, listener);
        } finally {
            Thread.interrupted();
        }
    }

    /** Asked to end after step 7, at the end of epoch 1's last step, 9, and in the checkpoint of step 20: rank 0 takes longer than the grace. */
    @Test
    void ranksThatAreAskedToEndWaitForWhatTheFirstWrites() {
        for (int[] at : new int[][] {{7, 7, 0}, {9, 0, 9}, {20, 20, 20}}) { // interrupted after step, slow checkpoint, slow step; 0: none
            Path out = folder.resolve("ended-" + at[0]);
            Set<Thread> callers = ConcurrentHashMap.newKeySet();
            for (Object end : ThreadRanks.run(2, group -> {
                callers.add(Thread.currentThread());
                try {
                    return train(group, out, CONFIG, slow(callers, at));
                } finally {
                    Thread.interrupted();
                }
            })) {
                assertInstanceOf(InterruptedWorkException.class, end);
            }
            long last = TrainCheckpoint.last(RunFolder.openAny(out));
            assertTrue(last == at[0] || last == at[0] + 1, // one later where the next began before its caller had woken
                    "asked to end after step " + at[0] + ", ended after " + last);
        }
    }

    private static TrainListener slow(Set<Thread> callers, int[] at) {
        return new TrainListener() {
            @Override
            public void step(TrainStep done) {
                if (done.step() == at[0]) {
                    callers.forEach(Thread::interrupt);
                }
                dawdle(done.step() == at[2]);
            }

            @Override
            public void checkpoint(long step) {
                dawdle(step == at[1]);
            }

            private void dawdle(boolean here) {
                if (here) {
                    LockSupport.parkNanos(1_200_000_000);
                }
            }
        };
    }

    @Test
    void ranksThatAreNotAtTheSameWriteNothing() throws IOException {
        Path out = folder.resolve("none");
        assertRefused("rank 1 of 2 differs from rank 0 in options: epochs is 5, rank 0 has 4; start every rank with one"
                + " command, the same files and the same build of Lethe", ThreadRanks.run(2, group -> train(group, out,
                group.rank() == 0 ? CONFIG : CONFIG.toBuilder().epochs(5).build(), TrainListener.silent())));
        Path elsewhere = Files.createDirectory(folder.resolve("elsewhere"));
        TinyData other = new TinyData(elsewhere, 13);
        List<Object> data = ThreadRanks.run(2, group -> {
            try (Engine engine = Engine.cpu().among(() -> group)) {
                return Trainer.train(engine, tiny.source, group.rank() == 0 ? tiny.data : other.data, out, CONFIG, TrainListener.silent());
            }
        });
        assertTrue(assertInstanceOf(BadInputException.class, data.get(1)).getMessage()
                .startsWith("rank 1 of 2 differs from rank 0 in data (SHA-256 of its records): "), data.toString());
        List<Object> models = ThreadRanks.run(2, group -> train(group, out, CONFIG.toBuilder().seed(3).build(), TrainListener.silent(),
                group.rank() == 0 ? tiny : other));
        assertTrue(assertInstanceOf(LetheException.class, models.get(0)).getMessage().startsWith("rank 1 of 2 differs from rank 0 in "),
                models.toString());
        assertRefused("ledger_keys with ranks: a ledger that several ranks write cannot lie under keys; train without keys, and"
                + " put it under keys when it is complete (docs/ledger.md)", ThreadRanks.run(2, group -> train(group, out,
                CONFIG.toBuilder().ledgerKeys(folder.resolve("keys")).build(), TrainListener.silent())));
        assertFalse(Files.exists(out));
    }

    private RunFolder train(RankGroup group, Path out, TrainConfig config, TrainListener listener, TinyData data) {
        try (Engine engine = Engine.cpu().among(() -> group)) {
            return Trainer.train(engine, data.source, tiny.data, out, config, listener);
        }
    }

    private static void assertRefused(String message, List<Object> ends) {
        ends.forEach(end -> assertEquals(message, assertInstanceOf(BadInputException.class, end).getMessage()));
    }

    @Test
    void aFolderThatIsTakenIsRefusedByAll() throws IOException {
        Path out = Files.createDirectory(folder.resolve("taken"));
        Files.writeString(out.resolve("note"), "mine");
        List<Object> ends = ThreadRanks.run(2, group -> train(group, out, CONFIG, TrainListener.silent()));
        assertEquals(out + ": is not empty; name a new folder", assertInstanceOf(LetheException.class, ends.get(0)).getMessage());
        assertEquals("rank 0 of 2: " + out + ": is not empty; name a new folder",
                assertInstanceOf(RankException.class, ends.get(1)).getMessage());
    }
}
