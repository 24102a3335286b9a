package dev.lethe.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.Base;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.settings.Lora;
import dev.lethe.shape.Dtype;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** peft's folders, read and written; and what is wrong with them, told at once. */
@ExtendWith(NoLeaks.class)
class AdapterCheckpointTest {
    private static final String FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";

    @TempDir
    Path folder;
    private Engine engine;
    private Path adapter;
    private Path base;

    @BeforeEach
    void copy() throws IOException {
        engine = Engine.cpu();
        adapter = copy(new AdapterGolden("llama-qv").adapter(), folder.resolve("adapter"));
        base = copy(new AdapterGolden("llama-qv").base(), folder.resolve("base"));
    }

    @AfterEach
    void close() {
        Checkpoint.baseIn(null);
        engine.close();
    }

    private static Path copy(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
        }
        return to;
    }

    static List<String> goldens() {
        return AdapterGolden.names();
    }

    @ParameterizedTest
    @MethodSource("goldens")
    void whatIsWrittenIsWhatPeftWrote(String name) throws IOException {
        Path from = new AdapterGolden(name).adapter();
        ModelSettings settings = Checkpoint.config(from);
        Path written = folder.resolve("written");
        try (LanguageModel model = Checkpoint.load(engine, from, Dtype.F32)) {
            assertEquals(settings.shape(), model.shape());
            Checkpoint.save(model, settings, written, null);
        }
        try (Safetensors before = Safetensors.open(from.resolve("adapter_model.safetensors"));
                Safetensors after = Safetensors.open(written.resolve("adapter_model.safetensors"))) {
            assertEquals(List.copyOf(before.tensors().keySet()), List.copyOf(after.tensors().keySet()), "names, in order");
            before.tensors().forEach((key, tensor) -> {
                Safetensors.Tensor other = after.tensors().get(key);
                assertEquals(tensor.shape(), other.shape());
                assertArrayEquals(before.file().bytes(tensor.begin(), (int) (tensor.end() - tensor.begin())),
                        after.file().bytes(other.begin(), (int) (other.end() - other.begin())), key);
            });
            assertEquals(Map.of("format", "pt", "lethe_base_sha256", Checkpoint.hash(new AdapterGolden(name).base())),
                    after.metadata());
        }
        Map<String, Object> before = Json.object(from.resolve("adapter_config.json"));
        Map<String, Object> after = Json.object(written.resolve("adapter_config.json"));
        assertEquals(new AdapterGolden(name).base().toAbsolutePath().toString(), after.put("base_model_name_or_path", "../base"));
        assertEquals(before, after);
        assertEquals(settings.shape(), Checkpoint.config(written).shape());
    }

    /** The base is mapped where it lies: sharded, and under a name of its own. */
    @Test
    void theBaseMayBeShardedAndElsewhere() throws IOException {
        double[] losses = losses(adapter);
        Path shards = folder.resolve("shards");
        Files.createDirectories(shards);
        split(base, shards);
        Checkpoint.baseIn(shards);
        assertArrayEquals(losses, losses(adapter));
        try (LanguageModel model = Checkpoint.load(engine, adapter, Dtype.F32)) {
            Base.Files files = model.base().files();
            assertEquals(shards, files.folder());
            assertEquals(2, files.places().stream().map(Base.Place::file).distinct().count());
            assertTrue(files.places().stream().allMatch(place -> place.dtype() == Dtype.BF16));
            assertEquals(model.frozen().size(), files.places().size());
        }
    }

    /** Every other tensor to a second file. */
    private static void split(Path from, Path to) throws IOException {
        Files.copy(from.resolve("config.json"), to.resolve("config.json"));
        StringBuilder map = new StringBuilder();
        try (Safetensors file = Safetensors.open(from.resolve("model.safetensors"))) {
            List<Safetensors.Tensor> tensors = List.copyOf(file.tensors().values());
            for (int part = 0; part < 2; part++) {
                StringBuilder header = new StringBuilder();
                byte[] data = {};
                for (int i = part; i < tensors.size(); i += 2) {
                    Safetensors.Tensor tensor = tensors.get(i);
                    byte[] bytes = file.file().bytes(tensor.begin(), (int) (tensor.end() - tensor.begin()));
                    header.append(header.isEmpty() ? "" : ",").append("\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
                            .formatted(tensor.name(), tensor.type(), tensor.shape(), data.length, data.length + bytes.length));
                    data = Arrays.copyOf(data, data.length + bytes.length);
                    System.arraycopy(bytes, 0, data, data.length - bytes.length, bytes.length);
                    map.append(map.isEmpty() ? "" : ",").append("\"%s\":\"part%d.safetensors\"".formatted(tensor.name(), part));
                }
                Files.write(to.resolve("part" + part + ".safetensors"), SafetensorsFile.raw("{" + header + "}", data));
            }
        }
        Files.writeString(to.resolve("model.safetensors.index.json"), "{\"weight_map\":{" + map + "}}");
    }

    private double[] losses(Path which) {
        try (LanguageModel model = Checkpoint.load(engine, which, Dtype.F32)) {
            return model.losses(new AdapterGolden("llama-qv").batch());
        }
    }

    @Test
    void aNewAdapterIsItsBase() throws IOException {
        ModelSettings settings = Checkpoint.adapted(base, Lora.parse("r=3,targets=mlp"));
        Path made = folder.resolve("made");
        try (LanguageModel model = Checkpoint.adapt(engine, base, settings, Dtype.F32);
                LanguageModel plain = Checkpoint.load(engine, base, Dtype.F32)) {
            model.initialize(1);
            double[] before = model.buffer(Buffer.PARAMETERS).readDoubles(0, (int) model.flatSize());
            assertTrue(Arrays.stream(before).anyMatch(x -> x != 0));
            double[] losses = plain.losses(new AdapterGolden("llama-qv").batch());
            assertArrayEquals(losses, model.losses(new AdapterGolden("llama-qv").batch()), 1e-5);
            Checkpoint.save(model, settings, made, null);
        }
        try (LanguageModel again = Checkpoint.load(engine, made, Dtype.F32)) {
            assertEquals(settings.shape(), again.shape());
        }
        assertEquals(List.of("down_proj", "gate_proj", "up_proj"),
                Json.object(made.resolve("adapter_config.json")).get("target_modules"));
        var e = assertThrows(BadInputException.class, () -> Checkpoint.adapted(made, Lora.parse("r=2")));
        assertTrue(e.getMessage().startsWith(made + ": is an adapter already; "), e.getMessage());
        Files.writeString(adapter.resolve("adapter_config.json"), Files.readString(adapter.resolve("adapter_config.json"))
                .replace("../base", made.toString()));
        refuses(adapter + ": its base " + made + " is an adapter itself; make one model of that first: lethe merge");
    }

    @Test
    void anotherBaseIsRefused() throws IOException {
        Path written = folder.resolve("written");
        try (LanguageModel model = Checkpoint.load(engine, adapter, Dtype.F32)) {
            Checkpoint.save(model, Checkpoint.config(adapter), written, null);
        }
        String own = Checkpoint.hash(base);
        byte[] bytes = Files.readAllBytes(base.resolve("model.safetensors"));
        bytes[bytes.length - 2] ^= 1;
        Files.write(base.resolve("model.safetensors"), bytes);
        Checkpoint.baseIn(null);
        var e = assertThrows(BadInputException.class, () -> Checkpoint.load(engine, written, Dtype.F32));
        assertEquals(written + ": is of a base with SHA-256 " + own + ", the weights in " + base + " have " + Checkpoint.hash(base)
                + "; say where its own base lies", e.getMessage());
        losses(adapter); // peft did not note which base it was
        Checkpoint.baseIn(folder.resolve("nowhere"));
        e = assertThrows(BadInputException.class, () -> Checkpoint.load(engine, written, Dtype.F32));
        assertEquals(written + ": its base is not in " + folder.resolve("nowhere") + "; say where it lies",
                e.getMessage());
    }

    @Test
    void aBaseThatIsNotThere() throws IOException {
        Path file = adapter.resolve("adapter_config.json");
        String text = Files.readString(file);
        Files.writeString(file, text.replace("../base", "meta-llama/Llama-3.2-1B"));
        refuses(adapter + ": its base \"meta-llama/Llama-3.2-1B\" is no model folder here; say where it lies");
        Files.writeString(file, text.replace("\"../base\"", "null"));
        refuses(adapter + ": adapter_config.json does not name its base; say where it lies");
        Checkpoint.baseIn(base);
        losses(adapter);
    }

    private void refuses(String message) {
        var e = assertThrows(BadInputException.class, () -> Checkpoint.load(engine, adapter, Dtype.F32));
        assertEquals(message, e.getMessage());
    }

    @Test
    void tensorsThatContradictTheConfigAreToldAtOnce() throws IOException {
        Path file = adapter.resolve("adapter_model.safetensors");
        byte[] whole = Files.readAllBytes(file);
        String text = new String(whole, java.nio.charset.StandardCharsets.ISO_8859_1);
        Files.write(file, text.replace("layers.0.self_attn.q_proj.lora_A", "layers.0.self_attn.o_proj.lora_A")
                .getBytes(java.nio.charset.StandardCharsets.ISO_8859_1));
        refuses(adapter + ": 2 problems\n  missing tensor layers.0.self_attn.q_proj.lora_A.weight [8, 16]\n  extra tensor "
                + FIRST.replace("q_proj", "o_proj") + " [8, 16], which a llama of 2 layers does not have by its adapter_config.json");

        Files.write(file, whole);
        Path config = adapter.resolve("adapter_config.json");
        String said = Files.readString(config);
        Files.writeString(config, said.replace("\"rank_pattern\": {}", "\"rank_pattern\": {\"layers.0.self_attn.q_proj\": 4}"));
        refuses(adapter + ": 2 problems\n  tensor " + FIRST + " is [8, 16], adapter_config.json makes it [4, 16]\n  tensor "
                + FIRST.replace("_A", "_B") + " is [16, 8], adapter_config.json makes it [16, 4]");

        Files.writeString(config, said);
        byte[] poisoned = whole.clone();
        Arrays.fill(poisoned, whole.length - 4, whole.length, (byte) 0xff);
        Files.write(file, poisoned);
        refuses(adapter + ": tensor base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight holds NaN or infinity, first at"
                + " element 63");

        Files.move(file, adapter.resolve("adapter_model.bin"));
        refuses(adapter + ": has adapter_model.bin but no adapter_model.safetensors. Lethe does not read pickle files, because loading"
                + " one executes code. Load it with peft where you trust it and save it again");
    }

    /** A rank that no module has room for is told, as is a base of another width. */
    @Test
    void ranksAndWidthsThatDoNotFit() throws IOException {
        Checkpoint.baseIn(new AdapterGolden("gpt2").base());
        refuses(adapter.resolve("adapter_config.json") + ": target_modules name q_proj, v_proj, which a gpt2 does not have; it has"
                + " c_attn, c_proj, c_fc");
        Checkpoint.baseIn(new AdapterGolden("qwen2").base());
        losses(adapter); // its modules are as wide: nothing tells that it is another, since peft did not note it
        Checkpoint.baseIn(null);
        Path config = adapter.resolve("adapter_config.json");
        Files.writeString(config, Files.readString(config).replace("\"r\": 8", "\"r\": 800"));
        var e = assertThrows(BadInputException.class, () -> Checkpoint.load(engine, adapter, Dtype.F32));
        assertTrue(e.getMessage().contains("800"), e.getMessage());
    }
}
