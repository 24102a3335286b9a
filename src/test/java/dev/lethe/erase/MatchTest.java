package dev.lethe.erase;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.find.Query;
import dev.lethe.model.Checkpoint;
import dev.lethe.objective.NeverSeen;
import dev.lethe.objective.RunExamples;
import dev.lethe.results.EraseListener;
import dev.lethe.results.Erasure.Trial;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Reference;
import dev.lethe.shape.Dtype;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** An erasure that matches quantiles ends with token losses distributed more as held-out tokens' are than one that does not. */
@ExtendWith(NoLeaks.class)
class MatchTest {
    @TempDir
    Path folder;

    @Test
    void tokensComeToBeDistributedAsHeldOutOnes() {
        try (Engine engine = Engine.cpu()) {
            Path source = trained(engine, 12, 60, 0.5);
            EraseConfig plain = EraserTest.CONFIG.toBuilder().polish(60).repairBudget(1).ignoreGuards(true).match(0).build();
            double apart = distance(engine, source, plain);
            double matched = distance(engine, source, plain.toBuilder().match(1).build());
            assertTrue(matched < 0.7 * apart, "nats between equal ranks: " + matched + ", unmatched " + apart);
            assertEquals(apart, distance(engine, source, plain), "without it nothing is drawn or moved");
        }
    }

    /** What an erasure is to come to is what NeverSeen says of its records, and not what held-out ones come to as they are. */
    @Test
    void theReferenceIsOfHeldOutTokensAsHard() {
        try (Engine engine = Engine.cpu()) {
            Path source = trained(engine, 30, 10, 0.4);
            EraseConfig config = EraserTest.CONFIG.toBuilder().reference(new Reference.HeldOut()).maxAscents(1).ignoreGuards(true).build();
            RunExamples examples = RunExamples.of(RunFolder.open(source), null);
            try (OpenRun run = OpenRun.open(engine, source);
                 LanguageModel model = Checkpoint.load(engine, source.resolve("model"), Dtype.F32)) {
                String person = run.records().getFirst().subject();
                Trial one = run.trial(run.find(Query.subject(person)), config, EraseListener.NONE, _ -> { });
                List<Example> forget = examples.learned().stream().filter(example -> example.id().startsWith(person + "-")).toList();
                List<Example> retain = examples.learned().stream().filter(example -> !forget.contains(example)).toList();
                NeverSeen like = NeverSeen.of(model, forget, examples.heldOut(), retain, config.seed());
                assertTrue(like.weighed(), like.tokens() + " tokens are held out");
                assertEquals(like.mean(), one.target(), 1e-9);
                assertTrue(Math.abs(one.target() - one.before().heldOut()) > 0.01, one.toString());
                assertEquals(one.before().heldOut(), like.unweighed(), 1e-6);
            }
        }
    }

    private Path trained(Engine engine, int people, int epochs, double heldOut) {
        TinyData tiny = new TinyData(folder, people);
        return Trainer.train(engine, tiny.source, tiny.data, folder.resolve("source"),
                TinyData.config().epochs(epochs).holdoutFraction(heldOut).build(), TrainListener.silent()).root();
    }

    /** Mean distance of the person's token losses after the erasure from the held-out tokens' before it, at the same rank. */
    private double distance(Engine engine, Path source, EraseConfig config) {
        List<Double> found = new ArrayList<>();
        try (OpenRun run = OpenRun.open(engine, source)) {
            RunExamples examples = RunExamples.of(RunFolder.open(source), null);
            String person = run.records().getFirst().subject();
            List<Example> forget = examples.learned().stream().filter(example -> example.id().startsWith(person)).toList();
            double[] before;
            try (LanguageModel model = Checkpoint.load(engine, source.resolve("model"), Dtype.F32)) {
                before = losses(model, examples.heldOut());
            }
            double mean = Arrays.stream(before).average().orElseThrow();
            Trial trial = run.trial(run.find(Query.subject(person)), config, EraseListener.NONE, model -> {
                double[] after = losses(model, forget);
                found.add(IntStream.range(0, after.length).mapToDouble(r -> Math.abs(after[r]
                        - before[(int) ((r + 0.5) / after.length * before.length)] * 3 / mean)).average().orElseThrow());
            });
            assertTrue(trial.after().forget() > 2.9, trial.toString());
        }
        return found.getFirst();
    }

    private static double[] losses(LanguageModel model, List<Example> records) {
        return Arrays.stream(model.score(BatchPlan.batch(records, IntStream.range(0, records.size()).toArray())).logProbability())
                .filter(said -> !Double.isNaN(said)).map(said -> -said).sorted().toArray();
    }
}
