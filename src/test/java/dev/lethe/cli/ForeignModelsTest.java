package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.ModelSettings;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.testing.Families;
import dev.lethe.train.TinyData;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Model folders that contradict themselves, quantised ones and impossible shapes: told whole, and nothing is written. */
@ExtendWith(NoLeaks.class)
class ForeignModelsTest {
    @TempDir
    Path folder;
    private TinyData tiny;
    private Path model;

    @BeforeEach
    void make() {
        tiny = new TinyData(folder, 4);
        model = folder.resolve("model");
    }

    private void save(String family) {
        ModelShape shape = Families.of(family, Math.toIntExact(tiny.shape().vocabulary()), 16);
        try (Engine engine = Engine.cpu(); LanguageModel fresh = engine.model(shape, Dtype.F32)) {
            fresh.initialize(1);
            Checkpoint.save(fresh, ModelSettings.of(shape, 1), model, tiny.tokenizer);
        }
    }

    private void config(String from, String to) throws IOException {
        Path file = model.resolve("config.json");
        String text = Files.readString(file);
        assertTrue(text.contains(from), text);
        Files.writeString(file, text.replace(from, to));
    }

    /** The problems that training on the folder names. */
    private List<String> refused() {
        Path out = folder.resolve("out");
        Shell shell = Shell.run("train", out, "--model", model, "--data", tiny.file, "--quiet");
        assertEquals(2, shell.code(), shell.err());
        assertTrue(Files.notExists(out), "nothing half-written");
        List<String> lines = shell.err().lines().toList();
        assertEquals(shell.err(), Shell.run("eval", model, "--data", tiny.file).err());
        return lines.size() == 1 ? lines : lines.subList(1, lines.size());
    }

    @Test
    void headDimThatContradictsTheTensors() throws IOException {
        save("llama");
        config("\"head_dim\" : 4", "\"head_dim\" : 6");
        List<String> problems = refused();
        assertEquals(8, problems.size(), problems.toString());
        assertEquals("  tensor model.layers.0.self_attn.q_proj.weight is [16, 16], config.json makes it [24, 16]",
                problems.getFirst());
        assertEquals("  tensor model.layers.1.self_attn.o_proj.weight is [16, 16], config.json makes it [16, 24]",
                problems.getLast());
    }

    @Test
    void keyHeadsThatContradictTheTensors() throws IOException {
        save("llama");
        config("\"num_key_value_heads\" : 2", "\"num_key_value_heads\" : 1");
        assertEquals(List.of("0.self_attn.k_proj", "0.self_attn.v_proj", "1.self_attn.k_proj",
                "1.self_attn.v_proj").stream()
                .map(name -> "  tensor model.layers." + name
                + ".weight is [8, 16], config.json makes it [4, 16]").toList(), refused());
    }

    @Test
    void tiedFlagThatContradictsTheFile() throws IOException {
        save("llama");
        config("\"tie_word_embeddings\" : true", "\"tie_word_embeddings\" : false");
        assertEquals(List.of("lethe: " + model + ": missing tensor lm_head.weight [" + tiny.shape().vocabulary()
                + ", 16]; config.json"
                + " has tie_word_embeddings false, so the head is a tensor of its own"), refused());
        save("qwen3");
        config("\"tie_word_embeddings\" : false", "\"tie_word_embeddings\" : true");
        assertEquals(List.of("lethe: " + model
                + ": lm_head.weight differs from embed_tokens.weight although tie_word_embeddings is"
                + " true; set \"tie_word_embeddings\": false in config.json if the head is meant to be its own, or drop"
                + " lm_head.weight"), refused());
        save("pythia");
        config("\"tie_word_embeddings\" : false", "\"tie_word_embeddings\" : true");
        assertTrue(refused().getFirst().contains("embed_out.weight differs from embed_in.weight although"));
    }

    @Test
    void optionsThatContradictTheTensors() throws IOException {
        save("llama");
        config("\"attention_bias\" : false", "\"attention_bias\" : true");
        config("\"mlp_bias\" : false", "\"mlp_bias\" : true");
        List<String> problems = refused();
        assertEquals(14, problems.size(), problems.toString());
        assertTrue(problems.contains("  missing tensor layers.1.mlp.down_proj.bias [16]"), problems.toString());
        save("pythia");
        config("\"attention_bias\" : true", "\"attention_bias\" : false");
        assertEquals("  extra tensor gpt_neox.layers.0.attention.dense.bias [16], which a gpt_neox of 2 layers does not have",
                refused().stream().sorted().findFirst().orElseThrow());
    }

    /** A bitsandbytes or GPTQ file whose config.json says nothing of it: by the tensors' own types and names. */
    @Test
    void quantisedTensors() throws IOException {
        save("llama");
        Path weights = model.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        String text = new String(bytes, StandardCharsets.ISO_8859_1);
        String changed = replaceType(replaceType(text, "model.layers.0.mlp.up_proj.weight", "I32"),
                "model.layers.1.self_attn.q_proj.weight", "U32");
        Files.write(weights, changed.getBytes(StandardCharsets.ISO_8859_1));
        assertEquals(List.of("  tensor model.layers.0.mlp.up_proj.weight is I32; weights must be F32, F16, BF16 or F64",
                "  tensor model.layers.1.self_attn.q_proj.weight is U32; weights must be F32, F16, BF16 or F64"),
                refused());
        String gptq = text.replace("layers.0.mlp.up_proj.weight", "layers.0.mlp.up_proj.qweigh");
        Files.write(weights, gptq.getBytes(StandardCharsets.ISO_8859_1));
        assertEquals(List.of("  missing tensor layers.0.mlp.up_proj.weight [24, 16]", "  extra tensor"
                + " model.layers.0.mlp.up_proj.qweigh [24, 16], which a llama of 2 layers does not have"), refused());
        config("\"model_type\"",
                "\"quantization_config\" : {\"quant_method\" : \"bitsandbytes\", \"load_in_4bit\" : true},\n"
                + "\"num_experts\" : 8,\n\"model_type\"");
        assertEquals(List.of("  num_experts is 8; mixtures of experts are not supported",
                "  quantization_config is present"
                + " (bitsandbytes); Lethe reads unquantised weights only"), refused());
    }

    private static String replaceType(String file, String tensor, String type) {
        int at = file.indexOf("\"dtype\":\"F32\"", file.indexOf("\"" + tensor + "\""));
        return file.substring(0, at) + "\"dtype\":\"" + type + "\"" + file.substring(at + 13);
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama:hidden=15,heads=3", "llama:hidden=4,heads=8", "qwen3:hidden=12,heads=4,head=5",
            "pythia:hidden=4,heads=4",
        "gpt_neox:hidden=9,heads=4", "llama:heads=4,kv=8", "mistral:hidden=16"})
    void impossibleShapesAreBadInput(String shape) {
        Path out = folder.resolve("out");
        Shell shell = Shell.run("train", out, "--model", shape, "--data", tiny.file, "--quiet");
        assertEquals(2, shell.code(), shell.err());
        assertTrue(shell.err().startsWith("lethe: model '" + shape + "': "), shell.err());
        assertTrue(Files.notExists(out), "nothing half-written");
    }

    /** With GPT-2's own tokenizer, as --model gpt2 has it: a folder that can be used again,
            a model that goes on with a text. */
    @ParameterizedTest
    @ValueSource(strings = {"llama:kv=1,", "qwen3:head=6,", "pythia:"})
    void everyKindStartsFromNothing(String kind) {
        Path run = folder.resolve("run");
        Shell train = Shell.run("train", run, "--model", kind + "layers=1,hidden=8,heads=2,ctx=24", "--data", tiny.file,
                "--set", "max_steps=1",
                "--set", "head_top_k=8", "--quiet");
        assertEquals(0, train.code(), train.err());
        Shell eval = Shell.run("eval", run.resolve("model"), "--data", tiny.file, "--continue", 1, "--json",
                "-");
        assertEquals(0, eval.code(), eval.err());
        assertEquals(1, eval.json().get("rouge").get("records").asInt());
        assertEquals(0, Shell.run("inspect", run).code());
    }
}
