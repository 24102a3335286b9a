package dev.lethe.model;

import static dev.lethe.model.SafetensorsFile.TINY;

import dev.lethe.base.BadInputException;
import dev.lethe.shape.Dtype;
import dev.lethe.testing.MemoryFolder;
import dev.lethe.testing.Mutations;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.Tag;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;

/**
 * Damaged config.json, safetensors and index files are read or refused; nothing but BadInputException comes out. Stops
 * where the native engine would begin: what passes here has the engine's own names and shapes, and finite numbers.
 */
class CheckpointFuzzTest {
    private static final byte[] CONFIG = ModelSettings.of(TINY).toJson().getBytes(StandardCharsets.UTF_8);
    private static final byte[] WEIGHTS = SafetensorsFile.gpt2(TINY, "transformer.").bytes(Dtype.F32);
    private static final byte[] SMALL = new SafetensorsFile().put("wte.weight", List.of(1L, 2L), 1, 2)
            .put("wpe.weight", List.of(2L), 3, 4).bytes(Dtype.BF16);
    private static final byte[] INDEX = ("{\"metadata\":{\"total_size\":12},\"weight_map\":{\"wte.weight\":"
            + "\"model-1.safetensors\",\"wpe.weight\":\"model-1.safetensors\"}}").getBytes(StandardCharsets.UTF_8);
    private static MemoryFolder folder;

    @BeforeContainer
    static void makeFolder() {
        folder = new MemoryFolder();
    }

    @AfterContainer
    static void removeFolder() {
        folder.close();
    }

    @Property(tries = 3_000, shrinking = ShrinkingMode.OFF)
    void config(@ForAll long seed) {
        attempt(() -> ModelSettings.parse(Mutations.damage(CONFIG, seed), folder.path()).toJson());
    }

    @Property(tries = 3_000, shrinking = ShrinkingMode.OFF)
    void safetensors(@ForAll long seed) throws IOException {
        Files.write(folder.path().resolve("model.safetensors"), Mutations.damage(seed % 2 == 0 ? SMALL : WEIGHTS, seed));
        attempt(() -> {
            try (WeightFiles files = WeightFiles.open(folder.path(), ModelType.GPT2)) {
                new WeightCheck(folder.path(), ModelSettings.of(TINY)).check(files.weights());
            }
        });
    }

    @Property(tries = 1_000, shrinking = ShrinkingMode.OFF)
    void index(@ForAll long seed) throws IOException {
        Path shards = folder.path().resolve("shards");
        Files.createDirectories(shards);
        Files.write(shards.resolve("model-1.safetensors"), SMALL);
        Files.write(shards.resolve("model.safetensors.index.json"), Mutations.damage(INDEX, seed));
        attempt(() -> WeightFiles.open(shards, ModelType.GPT2).close());
    }

    @Property(tries = 100_000, shrinking = ShrinkingMode.OFF)
    @Tag("extended")
    void configLong(@ForAll long seed) {
        config(seed);
    }

    @Property(tries = 100_000, shrinking = ShrinkingMode.OFF)
    @Tag("extended")
    void safetensorsLong(@ForAll long seed) throws IOException {
        safetensors(seed);
    }

    private static void attempt(Runnable read) {
        try {
            read.run();
        } catch (BadInputException e) {
            if (!e.getMessage().startsWith(folder.path().toString())) {
                throw new AssertionError("message does not name the file: " + e.getMessage(), e);
            }
        }
    }
}
