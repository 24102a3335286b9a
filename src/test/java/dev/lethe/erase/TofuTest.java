package dev.lethe.erase;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lethe.data.Dataset;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.eval.Evaluator;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.Query;
import dev.lethe.model.Checkpoint;
import dev.lethe.objective.EraseData;
import dev.lethe.objective.RunExamples;
import dev.lethe.results.EraseListener;
import dev.lethe.results.Erasure;
import dev.lethe.results.Evaluation;
import dev.lethe.results.TrainListener;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Dtype;
import dev.lethe.train.Trainer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** End to end on the benchmark's own records and tokenizer: learn some of TOFU, erase forget01's author, evaluate. */
@ExtendWith(NoLeaks.class)
class TofuTest {
    private static final Path TOFU = Path.of("../shared/data/tofu");

    @TempDir
    Path folder;

    @Test
    void anAuthorOfForget01() {
        assumeTrue(Files.isRegularFile(TOFU.resolve("full.jsonl")), TOFU + " is not here: TOFU is not part of the project");
        String author = Dataset.read(TOFU.resolve("forget01.jsonl")).records().getFirst().subject();
        List<String> learned = List.of("author-000", "author-001", "author-002", "author-003", author);
        Dataset data = Dataset.read(TOFU.resolve("full.jsonl")).filter(record -> learned.contains(record.subject()));
        assertEquals(100, data.size());
        TrainConfig config = TrainConfig.builder().epochs(12).learningRate(4e-3).headTopK(256).holdoutFraction(0.1).build();
        EraseConfig loose = EraseConfig.defaults().toBuilder().retainGuard(3).heldOutGuard(1).build();
        Path source = folder.resolve("run");
        Path out = folder.resolve("out");
        try (Engine engine = Engine.cpu()) {
            Trainer.train(engine, ModelSource.parse("gpt2:layers=2,hidden=64,heads=4,ctx=128"), data, source, config,
                    TrainListener.silent());
            try (OpenRun run = OpenRun.open(engine, source)) {
                ForgetSet forget = run.find(Query.subject(author));
                RunExamples examples = RunExamples.of(run.folder(), null);
                EraseData split = examples.split(forget.ids(), List.of(), loose);
                Erasure erasure = run.erase(forget, loose, out, EraseListener.NONE);
                assertEquals(forget.size(), erasure.entriesDestroyed());
                double forgetRise = evaluate(engine, out, split.forget()).meanLoss()
                        - evaluate(engine, source, split.forget()).meanLoss();
                double retainRise = evaluate(engine, out, split.retain()).meanLoss()
                        - evaluate(engine, source, split.retain()).meanLoss();
                assertEquals(erasure.after().forget() - erasure.before().forget(), forgetRise, 1e-3);
                assertTrue(forgetRise > 2 * Math.abs(retainRise), "forget rose by " + forgetRise + ", retain by " + retainRise);
            }
        }
    }

    private static Evaluation evaluate(Engine engine, Path run, List<dev.lethe.text.Example> examples) {
        try (LanguageModel model = Checkpoint.load(engine, run.resolve("model"), Dtype.F32)) {
            return new Evaluator().evaluate(model, examples);
        }
    }
}
