package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.engine.NoLeaks;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.ModelSettings;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** GPT-2's vocabulary padded to 50,304 rows, and a model that says nothing but padding: measured and shown all the same. */
@ExtendWith(NoLeaks.class)
class PaddedVocabularyTest {
    private static final int ROWS = 50_304;
    private static final int TOKENS = 50_257;

    @TempDir
    Path folder;

    @Test
    void evalAndReportShowIdsWithoutToken() throws IOException {
        Path model = model();
        Path data = Files.writeString(folder.resolve("a.jsonl"), "{\"prompt\": \"Dave lives\", \"completion\": \"in Norwich\"}\n"
                + "{\"prompt\": \"Alice lives\", \"completion\": \"in York\"}\n");
        Shell eval = Shell.run("eval", model, "--data", data, "--json", "-");
        assertEquals(0, eval.code(), eval.err());
        String said = eval.json().get("rouge").get("continuations").get(0).get("generated").stringValue();
        assertTrue(said.startsWith("\uFFFD"), said);
        Path run = folder.resolve("run");
        Shell train = Shell.run("train", run, "--model", model, "--data", data, "--epochs", 1, "--learning-rate", 1e-9);
        assertEquals(0, train.code(), train.err());
        Shell report = Shell.run("report", run);
        assertEquals(0, report.code(), report.err());
    }

    private Path model() {
        ModelShape shape = new ModelShape(ROWS, 32, 8, 2, 1, 32, 1e-5, true);
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(shape, Dtype.F32)) {
            model.initialize(1);
            TensorInfo table = model.tensors().stream().filter(info -> info.name().equals("wte.weight")).findFirst().orElseThrow();
            float[] large = new float[(ROWS - TOKENS) * 8];
            Random random = new Random(1);
            for (int i = 0; i < large.length; i++) {
                large[i] = (float) random.nextGaussian();
            }
            model.buffer(Buffer.PARAMETERS).writeFloats(table.offset() + TOKENS * 8L, large);
            Checkpoint.save(model, ModelSettings.of(shape), folder.resolve("model"), null);
        }
        return folder.resolve("model");
    }
}
