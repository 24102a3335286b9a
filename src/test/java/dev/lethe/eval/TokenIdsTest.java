package dev.lethe.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.Tokenizer;
import dev.lethe.settings.TrainConfig.OnLong;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.Tolerance;
import dev.lethe.text.Encoder;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Ids and losses of tokenizers that are easy to misread, beside transformers' and SentencePiece's (src/test/golden/ids.py). */
@ExtendWith(NoLeaks.class)
class TokenIdsTest {
    @TempDir
    Path folder;

    /** special: [PAD] added before an ordinary token. unigram: end token of config.json alone, literal </s> in texts. */
    @ParameterizedTest
    @ValueSource(strings = {"special", "unigram"})
    void idsAndLossesAreTheReferences(String name) throws IOException {
        copy("model/config.json", "model/model.safetensors", name + "/tokenizer.json"); // its weights: lm_head.weight, no wte
        if (name.equals("special")) {
            copy("special/tokenizer_config.json");
        }
        JsonNode golden;
        try (InputStream in = TokenIdsTest.class.getResourceAsStream("/golden/ids/ids.json")) {
            golden = new JsonMapper().readTree(in).get(name);
        }
        try (Tokenizer tokenizer = Tokenizer.of(folder); Engine engine = Engine.cpu();
                LanguageModel model = Checkpoint.load(engine, folder, Dtype.F32)) {
            assertEquals(golden.get("vocabulary").intValue(), tokenizer.vocabulary());
            assertEquals(golden.get("end").intValue(), tokenizer.endOfText());
            List<TextRecord> records = new ArrayList<>();
            for (JsonNode row : golden.get("rows")) {
                String text = row.get("text").stringValue();
                assertArrayEquals(row.get("ids").valueStream().mapToInt(JsonNode::intValue).toArray(), tokenizer.encode(text), text);
                records.add(new TextRecord(text, null, null, text));
            }
            double[] losses = new Evaluator().losses(model, new Encoder(tokenizer::encode, tokenizer.endOfText(), 64, OnLong.ERROR)
                    .encode(records));
            Tolerance.near("losses", golden.get("rows").valueStream().mapToDouble(row -> row.get("loss").doubleValue()).toArray(),
                    losses, Tolerance.PARITY_F32);
        }
    }

    private void copy(String... names) throws IOException {
        for (String name : names) {
            try (InputStream in = TokenIdsTest.class.getResourceAsStream("/golden/ids/" + name)) {
                Files.copy(in, folder.resolve(Path.of(name).getFileName()));
            }
        }
    }
}
