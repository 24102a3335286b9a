package dev.lethe.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lethe.engine.Batch;
import dev.lethe.engine.Engine;
import dev.lethe.engine.Generation;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.shape.Dtype;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A tiny model of every model_type as transformers wrote it (src/test/golden/checkpoints.py): its losses and its
 * continuation are transformers', and what Lethe writes of it is what transformers wrote.
 */
@ExtendWith(NoLeaks.class)
class FamilyCheckpointTest {
    private static final Path GOLDEN = Path.of("src/test/resources/golden/checkpoints");

    @TempDir
    Path folder;

    static List<String> names() throws IOException {
        try (Stream<Path> folders = Files.list(GOLDEN)) {
            List<String> names = folders.map(path -> path.getFileName().toString()).sorted().toList();
            assertEquals(Set.of("gpt2-silu-by-layer", "llama", "llama3", "mistral", "qwen2", "qwen3", "neox"),
                    Set.copyOf(names));
            return names;
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void isWhatTransformersMade(String name) throws IOException {
        Path from = GOLDEN.resolve(name);
        JsonNode golden = JsonMapper.shared().readTree(from.resolve("losses.json"));
        ModelSettings settings = Checkpoint.config(from);
        if (Files.exists(from.resolve("config-old.json"))) {
            assertEquals(settings.shape(), ModelSettings.read(from.resolve("config-old.json")).shape());
        }
        try (Engine engine = Engine.cpu(); LanguageModel model = Checkpoint.load(engine, from, Dtype.F32)) {
            List<int[]> tokens = rows(golden.get("tokens"));
            double[] expected = golden.get("losses").valueStream().mapToDouble(JsonNode::asDouble).toArray();
            assertArrayEquals(expected, model.losses(Batch.of(tokens, rows(golden.get("targets")))), 1e-5);
            int[] continuation = ids(golden.get("continuation"));
            assertArrayEquals(continuation,
                    model.generate(List.of(ids(golden.get("prompt"))), Generation.greedy(continuation.length))[0]);

            Path written = folder.resolve(name);
            Checkpoint.save(model, settings, written, null);
            assertEquals(-1, Files.mismatch(from.resolve("model.safetensors"), written.resolve("model.safetensors")));
            assertEquals(settings.shape(), Checkpoint.config(written).shape());
            JsonNode before = JsonMapper.shared().readTree(from.resolve("config.json"));
            JsonNode after = JsonMapper.shared().readTree(written.resolve("config.json"));
            before.properties().forEach(field -> assertEquals(field.getValue(), after.get(field.getKey()), field.getKey()));
        }
    }

    private static List<int[]> rows(JsonNode lists) {
        return lists.valueStream().map(FamilyCheckpointTest::ids).toList();
    }

    private static int[] ids(JsonNode list) {
        return list.valueStream().mapToInt(JsonNode::asInt).toArray();
    }
}
