package dev.lethe.model;

import static dev.lethe.model.SafetensorsFile.TINY;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.engine.NoLeaks;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.Tolerance;
import dev.lethe.testing.Python;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Folders into models and back: every dtype, replacing, failing, and what transformers makes of the result. */
@ExtendWith(NoLeaks.class)
class CheckpointTest {
    private static final ModelShape UNTIED = new ModelShape(11, 6, 4, 2, 1, 10, 1e-6, false);

    @TempDir
    Path folder;

    @Test
    void loadsEveryDtype() throws IOException {
        Files.writeString(folder.resolve("config.json"), ModelSettings.of(UNTIED).toJson());
        SafetensorsFile file = SafetensorsFile.gpt2(UNTIED, "transformer.");
        for (Dtype dtype : Dtype.values()) {
            Files.write(folder.resolve("model.safetensors"), file.bytes(dtype));
            try (Engine engine = Engine.cpu(); LanguageModel model = Checkpoint.load(engine, folder, Dtype.F32)) {
                for (TensorInfo info : model.tensors()) {
                    float[] expected = file.values(ModelType.GPT2.written(info.name())).clone();
                    for (int i = 0; i < expected.length; i++) {
                        expected[i] = rounded(expected[i], dtype);
                    }
                    assertArrayEquals(expected, model.buffer(Buffer.PARAMETERS).readFloats(info.offset(), (int) info.count()),
                            info.name() + " " + dtype);
                }
            }
        }
    }

    /** As safetensors' save_model leaves a tied model: it keeps the first of two equal names. */
    @Test
    void tiedHeadAloneIsTheTokenTable() throws IOException {
        Files.writeString(folder.resolve("config.json"), ModelSettings.of(TINY).toJson());
        SafetensorsFile file = SafetensorsFile.gpt2(TINY, "transformer.");
        float[] table = file.values("transformer.wte.weight");
        file.remove("transformer.wte.weight").put("lm_head.weight", List.of(TINY.vocabulary(), TINY.channels()), table)
                .write(folder.resolve("model.safetensors"));
        try (Engine engine = Engine.cpu(); LanguageModel model = Checkpoint.load(engine, folder, Dtype.F32)) {
            TensorInfo info = model.tensors().getFirst();
            assertEquals("wte.weight", info.name());
            assertArrayEquals(table, model.buffer(Buffer.PARAMETERS).readFloats(info.offset(), table.length));
        }
        Files.writeString(folder.resolve("config.json"), ModelSettings.of(UNTIED).toJson());
        assertTrue(assertThrows(BadInputException.class, () -> Checkpoint.load(null, folder, Dtype.F32)).getMessage()
                .contains("missing tensor wte.weight [11, 4]"));
    }

    @Test
    void savedFolderLoadsAgain() throws IOException {
        Path saved = folder.resolve("new/model");
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(UNTIED, Dtype.F32)) {
            model.initialize(1);
            Checkpoint.save(model, ModelSettings.of(UNTIED), saved, null);
            String hash = Checkpoint.hash(saved);
            try (LanguageModel again = Checkpoint.load(engine, saved, Dtype.F32)) {
                assertArrayEquals(floats(model), floats(again));
            }
            model.initialize(2);
            Files.writeString(folder.resolve("merges.txt"), "a b\n");
            Files.writeString(saved.resolve("note.txt"), "kept");
            Checkpoint.save(model, ModelSettings.of(UNTIED), saved, folder);
            assertNotEquals(hash, Checkpoint.hash(saved));
            assertEquals(List.of("config.json", "merges.txt", "model.safetensors", "note.txt"), names(saved));
            assertEquals(List.of("model"), names(saved.getParent()));
            try (LanguageModel again = Checkpoint.load(engine, saved, Dtype.F32)) {
                assertArrayEquals(floats(model), floats(again));
            }
        }
    }

    @Test
    void failedSaveLeavesNothing() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "not a folder");
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(TINY, Dtype.F32)) {
            String message = assertThrows(BadInputException.class,
                    () -> Checkpoint.save(model, ModelSettings.of(TINY), file.resolve("model"), null)).getMessage();
            assertTrue(message.startsWith(file.resolve("model") + ": the model cannot be written ("), message);
            assertThrows(IllegalArgumentException.class,
                    () -> Checkpoint.save(model, ModelSettings.of(UNTIED), folder.resolve("m"), null));
        }
        assertEquals(List.of("file"), names(folder));
    }

    /** Logits to fp32 parity, the tokenizer's ids, and save_pretrained writing the very bytes that Lethe wrote. */
    @Test
    void transformersLoadsWhatLetheWrote() throws IOException {
        Python.assume("torch", "transformers");
        String text = "Dave’s diary: naïve 😀\n  two lines";
        List<ModelShape> shapes = List.of(TINY, UNTIED, ModelShape.gpt2(1, 8, 2, 16));
        List<Object> arguments = new ArrayList<>(List.of("1,10,4,4,0", text));
        List<double[]> logits = new ArrayList<>();
        for (ModelShape shape : shapes) {
            Path saved = folder.resolve("saved-" + arguments.size());
            arguments.add(saved);
            try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(shape, Dtype.F32)) {
                model.initialize(3);
                Checkpoint.save(model, ModelSettings.of(shape), saved, null);
                logits.add(model.logits(Batch.prompts(List.of(new int[] {1, 10, 4, 4, 0}))));
            }
        }
        List<String> tokens = Python.script("transformers_logits.py", arguments.toArray()).lines().toList();
        for (int i = 0; i < shapes.size(); i++) {
            String saved = arguments.get(2 + i).toString();
            double[] theirs = new double[logits.get(i).length];
            ByteBuffer.wrap(Files.readAllBytes(Path.of(saved + "-logits"))).order(ByteOrder.LITTLE_ENDIAN).asDoubleBuffer()
                    .get(theirs);
            Tolerance.near("logits", theirs, logits.get(i), Tolerance.PARITY_F32);
            assertEquals(Checkpoint.hash(Path.of(saved + "-again")), Checkpoint.hash(Path.of(saved)), "bytes of the weights");
        }
        assertEquals(List.of("", "", Arrays.stream(Tokenizer.gpt2().encode(text)).mapToObj(Integer::toString)
                .collect(Collectors.joining(","))), tokens);
    }

    private static float rounded(float x, Dtype dtype) {
        return switch (dtype) {
            case F32, F64 -> x;
            case F16 -> Float.float16ToFloat(Float.floatToFloat16(x));
            case BF16 -> Float.intBitsToFloat(Float.floatToRawIntBits(x) & 0xFFFF0000);
        };
    }

    private static float[] floats(LanguageModel model) {
        return model.buffer(Buffer.PARAMETERS).readFloats(0, (int) model.flatSize());
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }
}
