package dev.lethe.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.ModelLayout;
import dev.lethe.shape.Block;
import dev.lethe.shape.Block.Activation;
import dev.lethe.shape.Block.Family;
import dev.lethe.shape.Block.Option;
import dev.lethe.shape.Block.Rotary;
import dev.lethe.shape.Block.Rotary.Scaling;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** config.json: sizes and defaults, the exact words for what Lethe does not run, and what it writes. */
class ModelSettingsTest {
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
        ModelSettings read = parse("{" + GOOD + ",\"eos_token_id\":10,\"my_key\":[1],\"torch_dtype\":\"float16\",\"n_ctx\":6}");
        ModelSettings again = parse(read.toJson());
        assertEquals(read.shape(), again.shape());
        assertEquals(List.of(1), again.raw().get("my_key"));
        assertEquals(10, again.raw().get("eos_token_id"));
        assertEquals("float32", again.raw().get("dtype"));
        assertTrue(!again.raw().containsKey("torch_dtype") && !again.raw().containsKey("n_ctx"));
        ModelShape shape = ModelShape.gpt2(2, 8, 2, 16);
        assertEquals(shape, parse(ModelSettings.of(shape).toJson()).shape());
        assertEquals(50256, ModelSettings.of(shape).raw().get("eos_token_id"));
    }

    /** Every way in which each kind says what it is: defaults of transformers, old and new rotary fields, windows. */
    @Test
    void readsFamilies() {
        Set<Option> bare = Set.of(Option.NO_QKV_BIAS, Option.NO_OUTPUT_BIAS, Option.NO_MLP_BIAS);
        assertEquals(new ModelShape(11, 64, 16, 4, 2, 20, 1e-6, false,
                new Block(Family.LLAMA, Activation.SILU, 0, 0, Rotary.plain(4, 10000), bare)), family("llama", "").shape());
        assertEquals(new ModelShape(11, 64, 16, 4, 2, 20, 1e-5, true,
                new Block(Family.LLAMA, Activation.GELU, 2, 6, new Rotary(6, 500000, Scaling.LLAMA3, 8, 1, 4, 32), Set.of())),
                family("llama", "\"num_key_value_heads\":2,\"head_dim\":6,\"rms_norm_eps\":1e-5,\"attention_bias\":true,"
                        + "\"mlp_bias\":true,\"tie_word_embeddings\":true,\"hidden_act\":\"gelu\",\"rope_theta\":500000,"
                        + "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1,\"high_freq_factor\":4,"
                        + "\"original_max_position_embeddings\":32}").shape());
        assertEquals(new Rotary(4, 77, Scaling.LINEAR, 2.5, 0, 0, 0), family("llama", "\"rope_theta\":5,\"rope_parameters\":"
                + "{\"type\":\"linear\",\"factor\":2.5,\"rope_theta\":77}").shape().block().rotary());
        ModelShape mistral = family("mistral", "\"num_key_value_heads\":4,\"sliding_window\":9").shape();
        assertEquals(9, mistral.context());
        assertEquals(bare, mistral.block().options());
        assertEquals(64, family("mistral", "\"num_key_value_heads\":4,\"sliding_window\":null").shape().context());
        ModelShape qwen2 = family("qwen2", "\"num_key_value_heads\":1,\"sliding_window\":9").shape();
        assertEquals(64, qwen2.context());
        assertEquals(Set.of(Option.NO_OUTPUT_BIAS, Option.NO_MLP_BIAS), qwen2.block().options());
        assertEquals(9, family("qwen2", "\"num_key_value_heads\":1,\"sliding_window\":9,\"use_sliding_window\":true").shape()
                .context());
        Block qwen3 = family("qwen3", "\"num_key_value_heads\":4").shape().block();
        assertEquals(128, qwen3.headSize());
        assertTrue(qwen3.options().contains(Option.HEAD_NORM));
        assertEquals(new ModelShape(11, 64, 16, 2, 2, 20, 1e-5, false, new Block(Family.GPT_NEOX, Activation.GELU, 0, 0,
                Rotary.plain(2, 10000), Set.of(Option.PARALLEL))),
                family("gpt_neox", "\"num_attention_heads\":2").shape());
        assertEquals(Rotary.plain(8, 5), family("gpt_neox", "\"num_attention_heads\":2,\"rotary_pct\":1.0,"
                + "\"rotary_emb_base\":5").shape().block().rotary());
        assertEquals(Set.of(Option.UNSCALED_SCORES, Option.SCORES_BY_BLOCK), parse("{" + GOOD + ",\"scale_attn_weights\":false,"
                + "\"scale_attn_by_inverse_layer_idx\":true,\"reorder_and_upcast_attn\":true}").shape().block().options());
    }

    /** Of published models: as many parameters as their authors count. */
    @Test
    void countsParameters() {
        assertEquals(1_235_814_400, parameters("llama", 128256, 2048, 32, 16, 8192, "\"num_key_value_heads\":8,\"head_dim\":64,"
                + "\"tie_word_embeddings\":true"), "Llama-3.2-1B");
        assertEquals(494_032_768, parameters("qwen2", 151936, 896, 14, 24, 4864, "\"num_key_value_heads\":2,"
                + "\"tie_word_embeddings\":true"), "Qwen2.5-0.5B");
        assertEquals(596_049_920, parameters("qwen3", 151936, 1024, 16, 28, 3072, "\"num_key_value_heads\":8,\"head_dim\":128,"
                + "\"tie_word_embeddings\":true"), "Qwen3-0.6B");
        assertEquals(7_241_732_096L, parameters("mistral", 32000, 4096, 32, 32, 14336, "\"num_key_value_heads\":8"),
                "Mistral-7B");
        assertEquals(162_322_944, parameters("gpt_neox", 50304, 768, 12, 12, 3072, "\"rotary_pct\":0.25"), "Pythia-160M");
    }

    private static long parameters(String type, int vocabulary, int hidden, int heads, int layers, int inner, String more) {
        return ModelLayout.of(parse(("{\"model_type\":\"%s\",\"vocab_size\":%d,\"max_position_embeddings\":2048,"
                + "\"hidden_size\":%d,\"num_attention_heads\":%d,\"num_hidden_layers\":%d,\"intermediate_size\":%d,%s}")
                .formatted(type, vocabulary, hidden, heads, layers, inner, more)).shape()).parameters();
    }

    @Test
    void writesNewOnesOfEveryFamily() {
        for (String kind : List.of("gpt2", "llama", "qwen2", "qwen3", "gpt_neox")) {
            ModelShape shape = switch (kind) {
                case "gpt2" -> ModelShape.gpt2(2, 8, 2, 16);
                case "gpt_neox" -> family(kind, "\"num_attention_heads\":2,\"rotary_pct\":0.75").shape();
                default -> family(kind, "\"num_key_value_heads\":2,\"head_dim\":6,\"rope_scaling\":{\"rope_type\":\"llama3\","
                        + "\"factor\":8,\"low_freq_factor\":1,\"high_freq_factor\":4,\"original_max_position_embeddings\":32}")
                        .shape();
            };
            ModelSettings again = parse(ModelSettings.of(shape, 3).toJson());
            assertEquals(shape, again.shape());
            assertEquals(kind, again.raw().get("model_type"));
            assertEquals(3, again.raw().get("eos_token_id"));
        }
        Block explicit = new Block(Family.LLAMA, Activation.SILU, 2, 4, Rotary.plain(4, 1), Set.of(Option.NO_QKV_BIAS,
                Option.NO_OUTPUT_BIAS, Option.NO_MLP_BIAS));
        ModelShape said = new ModelShape(11, 8, 8, 2, 1, 8, 1e-6, true, explicit);
        assertEquals(0, said.block().kvHeads() + said.block().headSize(), "as many and as wide as heads are anyway");
        assertEquals(said, parse(ModelSettings.of(said).toJson()).shape());
        Block odd = new Block(Family.LLAMA, Activation.SILU, 0, 0, Rotary.plain(4, 1), Set.of(Option.NO_QKV_BIAS));
        assertThrows(IllegalArgumentException.class,
                () -> ModelSettings.of(new ModelShape(11, 8, 8, 2, 1, 8, 1e-6, true, odd)));
    }

    @Test
    void listsEveryProblem() {
        assertEquals(List.of("x: 13 problems",
                "  num_experts is 4; mixtures of experts are not supported",
                "  add_cross_attention is true; this variant is not supported",
                "  quantization_config is present (gptq); Lethe reads unquantised weights only",
                "  n_embd is 1.5; must be a whole number from 1 to 134217728",
                "  n_head is \"2\"; must be a whole number from 1 to 134217728",
                "  n_layer is 10001; must be a whole number from 1 to 10000",
                "  n_positions is missing",
                "  vocab_size is 99999999999999999999; must be a whole number from 1 to 134217728",
                "  n_inner is 0; must be a whole number from 1 to 134217728",
                "  scale_attn_weights is 1; must be true or false",
                "  activation_function is \"mish\"; supported are gelu_new, gelu_pytorch_tanh, gelu_fast, gelu, relu, silu, swish, tanh",
                "  layer_norm_epsilon is 2.0; must be a number between 0 and 1",
                "  tie_word_embeddings is \"no\"; must be true or false"),
                failure("{\"model_type\":\"gpt2\",\"activation_function\":\"mish\",\"n_embd\":1.5,\"n_head\":\"2\","
                        + "\"n_layer\":10001,\"vocab_size\":99999999999999999999,\"n_inner\":0,\"layer_norm_epsilon\":2.0,"
                        + "\"tie_word_embeddings\":\"no\",\"num_experts\":4,\"scale_attn_weights\":1,"
                        + "\"add_cross_attention\":true,\"quantization_config\":{\"quant_method\":\"gptq\"}}").lines().toList());
        assertEquals("x: n_embd 5 is not divisible by n_head 2", failure("{" + GOOD.replace("\"n_embd\":4", "\"n_embd\":5") + "}"));
        assertEquals("x: model_type is missing; Lethe reads gpt2, llama, mistral, qwen2, qwen3, gpt_neox",
                failure("{" + GOOD.replace("model_type", "type") + "}"));
        assertEquals(List.of("x: 2 problems",
                "  model_type is \"mixtral\"; Lethe reads gpt2, llama, mistral, qwen2, qwen3, gpt_neox",
                "  num_local_experts is 8; mixtures of experts are not supported"),
                failure("{\"model_type\":\"mixtral\",\"num_local_experts\":8}").lines().toList());
        assertEquals(List.of("x: 4 problems",
                "  num_attention_heads 4 is not divisible by num_key_value_heads 3",
                "  rope_type is \"yarn\"; supported are default, linear and llama3",
                "  hidden_act is \"xielu\"; supported are gelu_new, gelu_pytorch_tanh, gelu_fast, gelu, relu, silu, swish, tanh",
                "  rms_norm_eps is 0; must be a number between 0 and 1"),
                familyFailure("\"num_key_value_heads\":3,\"hidden_act\":\"xielu\",\"rms_norm_eps\":0,"
                        + "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4}"));
        assertEquals(List.of("x: factor of the rotary scaling is missing; must be 1 or more"),
                familyFailure("\"rope_scaling\":{\"type\":\"linear\"}"));
        assertEquals(List.of("x: rope_parameters is {full_attention={rope_theta=1}}; must be one object for all layers"),
                familyFailure("\"rope_parameters\":{\"full_attention\":{\"rope_theta\":1}}"));
        assertEquals(List.of("x: partial_rotary_factor is 1.0 of a head of 5; a head that turns is even"),
                familyFailure("\"head_dim\":5"));
        assertEquals(List.of("x: rotary_pct is 0.1 of a head of 4; must make an even share of it, up to all"),
                failure(sizes("gpt_neox", "\"rotary_pct\":0.1")).lines().toList());
        assertEquals(List.of("x: no such model: a row of queries, keys and values has more than 2^31 numbers"),
                familyFailure("\"head_dim\":134217728,\"num_attention_heads\":16").stream()
                        .map(line -> line.replace("model layout: ", "")).toList());
        assertEquals(List.of("x: partial_rotary_factor is 0.5 of a head of 4; here all of a head turns"),
                familyFailure("\"rope_parameters\":{\"rope_theta\":1,\"partial_rotary_factor\":0.5}"));
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
        assertEquals(absent + ": no such file", assertThrows(BadInputException.class, () -> ModelSettings.read(absent)).getMessage());
        Files.write(absent, new byte[] {'{', '"', (byte) 0xC3, '(', '"'});
        assertEquals(absent + ": not valid JSON: invalid UTF-8",
                assertThrows(BadInputException.class, () -> ModelSettings.read(absent)).getMessage());
        assertEquals(folder.resolve("no") + ": no such folder; give a Hugging Face model folder",
                assertThrows(BadInputException.class, () -> Checkpoint.config(folder.resolve("no"))).getMessage());
    }

    private static String sizes(String type, String more) {
        String heads = more.contains("num_attention_heads") ? "" : ",\"num_attention_heads\":4";
        return "{\"model_type\":\"" + type + "\",\"vocab_size\":11,\"max_position_embeddings\":64,\"hidden_size\":16"
                + heads + ",\"num_hidden_layers\":2,\"intermediate_size\":20" + (more.isEmpty() ? "" : ",") + more + "}";
    }

    private static ModelSettings family(String type, String more) {
        return parse(sizes(type, more));
    }

    private static List<String> familyFailure(String more) {
        return failure(sizes("llama", more)).lines().toList();
    }

    private static ModelSettings parse(String json) {
        return ModelSettings.parse(json.getBytes(StandardCharsets.UTF_8), "x");
    }

    private static String failure(String json) {
        return assertThrows(BadInputException.class, () -> parse(json)).getMessage();
    }
}
