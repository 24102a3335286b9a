package dev.lethe.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.ModelShape;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** config.json: sizes and defaults, the exact words for what Lethe does not run, and what it writes. */
class Gpt2ConfigTest {
    private static final String GOOD = "\"model_type\":\"gpt2\",\"vocab_size\":11,\"n_positions\":6,\"n_embd\":4,"
            + "\"n_head\":2,\"n_layer\":1";
    @TempDir
    Path folder;

    @Test
    void readsSizesAndDefaults() {
        assertEquals(new ModelShape(11, 6, 4, 2, 1, 16, 1e-5, true), parse("{" + GOOD + ",\"n_inner\":null}").shape());
        assertEquals(new ModelShape(11, 6, 4, 2, 1, 9, 1e-6, false), parse("{" + GOOD + ",\"n_inner\":9,"
                + "\"layer_norm_epsilon\":1e-06,\"tie_word_embeddings\":false,\"activation_function\":\"gelu_pytorch_tanh\","
                + "\"scale_attn_by_inverse_layer_idx\":false}").shape());
        assertEquals(4, parse("{\"model_type\":\"gpt2\",\"vocab_size\":11,\"max_position_embeddings\":6,\"hidden_size\":4,"
                + "\"num_attention_heads\":2,\"num_hidden_layers\":1}").shape().channels());
    }

    @Test
    void writesWhatItReadAndWhatTransformersNeeds() {
        Gpt2Config read = parse("{" + GOOD + ",\"eos_token_id\":10,\"my_key\":[1],\"torch_dtype\":\"float16\",\"n_ctx\":6}");
        Gpt2Config again = parse(read.toJson());
        assertEquals(read.shape(), again.shape());
        assertEquals(List.of(1), again.raw().get("my_key"));
        assertEquals(10, again.raw().get("eos_token_id"));
        assertEquals("float32", again.raw().get("dtype"));
        assertTrue(!again.raw().containsKey("torch_dtype") && !again.raw().containsKey("n_ctx"));
        ModelShape shape = ModelShape.gpt2(2, 8, 2, 16);
        assertEquals(shape, parse(Gpt2Config.of(shape).toJson()).shape());
        assertEquals(50256, Gpt2Config.of(shape).raw().get("eos_token_id"));
    }

    @Test
    void listsEveryProblem() {
        assertEquals(List.of("x: 15 problems",
                "  model_type is \"llama\"; Lethe reads \"gpt2\" only",
                "  activation_function is \"relu\"; supported are gelu_new and gelu_pytorch_tanh",
                "  n_embd is 1.5; must be a whole number from 1 to 134217728",
                "  n_head is \"2\"; must be a whole number from 1 to 134217728",
                "  n_layer is 10001; must be a whole number from 1 to 10000",
                "  n_positions is missing",
                "  vocab_size is 99999999999999999999; must be a whole number from 1 to 134217728",
                "  n_inner is 0; must be a whole number from 1 to 134217728",
                "  layer_norm_epsilon is 2.0; must be a number between 0 and 1",
                "  tie_word_embeddings is \"no\"; must be true or false",
                "  scale_attn_weights is false; this variant is not supported, attention is always scaled",
                "  scale_attn_by_inverse_layer_idx is true; this variant is not supported",
                "  reorder_and_upcast_attn is true; this variant is not supported",
                "  add_cross_attention is true; this variant is not supported",
                "  quantization_config is present; Lethe reads unquantised weights only"),
                failure("{\"model_type\":\"llama\",\"activation_function\":\"relu\",\"n_embd\":1.5,\"n_head\":\"2\","
                        + "\"n_layer\":10001,\"vocab_size\":99999999999999999999,\"n_inner\":0,\"layer_norm_epsilon\":2.0,"
                        + "\"tie_word_embeddings\":\"no\",\"scale_attn_weights\":false,"
                        + "\"scale_attn_by_inverse_layer_idx\":true,\"reorder_and_upcast_attn\":true,"
                        + "\"add_cross_attention\":true,\"quantization_config\":{}}").lines().toList());
        assertEquals("x: n_embd 5 is not divisible by n_head 2", failure("{" + GOOD.replace("\"n_embd\":4", "\"n_embd\":5") + "}"));
        assertEquals("x: model_type is missing; Lethe reads GPT-2 models, \"model_type\": \"gpt2\"",
                failure("{" + GOOD.replace("model_type", "type") + "}"));
    }

    @Test
    void notJson() throws IOException {
        assertEquals("x: empty file; copy it again from where the model came from", failure(""));
        assertEquals("x: not a JSON object", failure("[1]"));
        assertTrue(failure("{" + GOOD).startsWith("x: not valid JSON: "));
        assertTrue(failure("garbage").startsWith("x: not valid JSON: "));
        assertTrue(failure("{\"a\":1,\"a\":2}").contains("uplicate"));
        assertTrue(failure("{} {}").startsWith("x: not valid JSON: "));
        Path absent = folder.resolve("config.json");
        assertEquals(absent + ": no such file", assertThrows(BadInputException.class, () -> Gpt2Config.read(absent)).getMessage());
        Files.write(absent, new byte[] {'{', '"', (byte) 0xC3, '(', '"'});
        assertEquals(absent + ": not valid JSON: invalid UTF-8",
                assertThrows(BadInputException.class, () -> Gpt2Config.read(absent)).getMessage());
        assertEquals(folder.resolve("no") + ": no such folder; give a Hugging Face GPT-2 folder",
                assertThrows(BadInputException.class, () -> Checkpoint.config(folder.resolve("no"))).getMessage());
    }

    private static Gpt2Config parse(String json) {
        return Gpt2Config.parse(json.getBytes(StandardCharsets.UTF_8), "x");
    }

    private static String failure(String json) {
        return assertThrows(BadInputException.class, () -> parse(json)).getMessage();
    }
}
