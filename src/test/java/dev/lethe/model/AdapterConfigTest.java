package dev.lethe.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lethe.base.BadInputException;
import dev.lethe.settings.Lora;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.ModelShape.Adapter;
import dev.lethe.testing.Families;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** adapter_config.json by peft's rules: which modules, with which rank and scale; and what is refused. */
class AdapterConfigTest {
    private static final ModelSettings LLAMA = ModelSettings.of(Families.of("llama", 37, 16), 1);
    private static final ModelSettings GPT2 = ModelSettings.of(new ModelShape(37, 16, 12, 3, 2, 20, 1e-5, true), 1);

    @TempDir
    Path folder;

    private AdapterConfig config(String fields) throws IOException {
        Files.writeString(folder.resolve(AdapterConfig.FILE), "{\"peft_type\": \"LORA\"" + (fields.isEmpty() ? "" : ", ") + fields + "}");
        return AdapterConfig.read(folder);
    }

    /** "0.self_attn.q_proj 1.self_attn.q_proj": what is adapted. */
    private String modules(ModelSettings base, String fields) throws IOException {
        return config(fields).adapters(base, folder).stream().map(adapter -> adapter.module().replaceFirst("^(layers|h)\\.", ""))
                .collect(Collectors.joining(" "));
    }

    static List<String> goldens() {
        return AdapterGolden.names();
    }

    @ParameterizedTest
    @MethodSource("goldens")
    void modulesRanksAndScalesArePefts(String name) {
        AdapterGolden golden = new AdapterGolden(name);
        Comparator<Adapter> byName = Comparator.comparing(Adapter::module);
        assertEquals(golden.adapters().stream().sorted(byName).toList(), AdapterConfig.read(golden.adapter())
                .adapters(Checkpoint.config(golden.base()), folder).stream().sorted(byName).toList());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            "target_modules": ["q_proj"]                                 | 0.self_attn.q_proj 1.self_attn.q_proj
            "target_modules": ["layers.1.mlp.up_proj"]                   | 1.mlp.up_proj
            "target_modules": ["model.layers.1.mlp.up_proj"]             | 1.mlp.up_proj
            "target_modules": ".*1\\\\.self_attn\\\\.[qk]_proj"          | 1.self_attn.q_proj 1.self_attn.k_proj
            "target_modules": ["o_proj"], "layers_to_transform": 1       | 1.self_attn.o_proj
            "target_modules": ["o_proj"], "layers_to_transform": [0, 9], "layers_pattern": "layers" | 0.self_attn.o_proj
            "target_modules": ["o_proj"], "layers_to_transform": [], "exclude_modules": ".*layers\\\\.0.*" | 1.self_attn.o_proj
            "target_modules": "all-linear", "exclude_modules": ["self_attn.q_proj", "k_proj", "v_proj", "o_proj", "mlp.up_proj", "down_proj", "layers.0.mlp.gate_proj"] | 1.mlp.gate_proj
            """)
    void targetsAreMatchedAsPeftDoes(String fields, String modules) throws IOException {
        assertEquals(modules, modules(LLAMA, fields));
    }

    @Test
    void scalesFollowPatternsAndRsLora() throws IOException {
        String both = "\"target_modules\": [\"q_proj\", \"v_proj\"], \"rank_pattern\": {\"q_proj\": 16}, \"alpha_pattern\":"
                + " {\"^model.layers.1.self_attn.v_proj\": 2}, \"r\": 4, \"lora_alpha\": 8, ";
        assertEquals(List.of(new Adapter("layers.0.self_attn.q_proj", 16, 0.5), new Adapter("layers.0.self_attn.v_proj", 4, 2),
                new Adapter("layers.1.self_attn.q_proj", 16, 0.5), new Adapter("layers.1.self_attn.v_proj", 4, 0.5)),
                config(both + "\"use_rslora\": false").adapters(LLAMA, folder));
        assertEquals(List.of(2.0, 4.0, 2.0, 1.0), config(both + "\"use_rslora\": true").adapters(LLAMA, folder)
                .stream().map(Adapter::scale).toList());
        assertEquals(1, config("\"target_modules\": [\"q_proj\"]").adapters(LLAMA, folder).getFirst().scale(), "8 / 8 where unsaid");
    }

    @Test
    void allThatIsNotPlainLoraIsToldAtOnce() {
        var e = assertThrows(BadInputException.class, () -> config("""
                "use_dora": true, "bias": "all", "modules_to_save": ["lm_head"], "lora_bias": true, "task_type": "SEQ_CLS",
                "trainable_token_indices": [1], "megatron_config": {"a": 1}, "layer_replication": [[0, 2]],
                "init_lora_weights": "pissa_niter_16", "use_new_thing": true, "target_parameters": ["x"],
                "alora_invocation_tokens": [3], "rank_pattern": {"(a+)+b": 3}, "target_modules": "["
                """));
        assertEquals(folder.resolve(AdapterConfig.FILE) + """
                : 14 problems
                  task_type is "SEQ_CLS"; Lethe reads CAUSAL_LM
                  use_dora is true (DoRA); only plain LoRA is read
                  modules_to_save is [lm_head] (whole modules beside the adapter); only plain LoRA is read
                  lora_bias is true (biases of the adapter); only plain LoRA is read
                  trainable_token_indices is [1] (trained rows of the token table); only plain LoRA is read
                  megatron_config is {a=1} (Megatron); only plain LoRA is read
                  layer_replication is [[0, 2]] (repeated layers); only plain LoRA is read
                  use_new_thing is true (not known to Lethe); only plain LoRA is read
                  target_parameters is [x] (adapters on parameters that are no modules); only plain LoRA is read
                  alora_invocation_tokens is [3] (activated LoRA); only plain LoRA is read
                  bias is "all"; trained biases are not read, only none
                  init_lora_weights is "pissa_niter_16", which changes the base's weights too; let peft convert it to plain LoRA: \
                save_pretrained(path_initial_model_for_weight_conversion=...)
                  target_modules has the pattern "[", which is not accepted: Unclosed character class
                  rank_pattern has the pattern "(a+)+b", which is not accepted: it is too long, or repeats what repeats""",
                e.getMessage());
        for (String type : List.of("VERA", "IA3", "ADALORA", "LOHA", "PROMPT_TUNING")) {
            var other = assertThrows(BadInputException.class, () -> {
                Files.writeString(folder.resolve(AdapterConfig.FILE), "{\"peft_type\": \"" + type + "\"}");
                AdapterConfig.read(folder);
            });
            assertEquals(folder.resolve(AdapterConfig.FILE) + ": peft_type is \"" + type + "\"; Lethe reads LORA", other.getMessage());
        }
    }

    @Test
    void targetsThatTheBaseHasNotAreToldWithWhatItHas() {
        refuses("3 problems\n  target_modules name model.embed_tokens, which is no linear module of the blocks; adapters on embeddings,"
                + " norms and the head are not read\n  target_modules name lm_head, which is no linear module of the blocks; adapters on"
                + " embeddings, norms and the head are not read\n  target_modules name c_attn, W_pack, which a llama does not have; it"
                + " has q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj",
                LLAMA, "\"target_modules\": [\"q_proj\", \"embed_tokens\", \"c_attn\", \"lm_head\", \"W_pack\"]");
        refuses("target_modules is \".*query\", which names no module of a gpt2 of 2 layers; it has c_attn, c_proj, c_fc", GPT2,
                "\"target_modules\": \".*query\"");
        refuses("target_modules is null, which names no module of a gpt2 of 2 layers; it has c_attn, c_proj, c_fc", GPT2, "");
        refuses("2 problems\n  the rank of transformer.h.0.attn.c_attn is 0.5; must be a whole number from 1\n  the rank of"
                + " transformer.h.1.attn.c_attn is 0.5; must be a whole number from 1", GPT2,
                "\"target_modules\": [\"c_attn\"], \"r\": 0.5");
        refuses("lora_alpha is \"x\"; must be a number", GPT2,
                "\"target_modules\": [\"c_attn\"], \"lora_alpha\": \"x\"");
    }

    private void refuses(String message, ModelSettings base, String fields) {
        var e = assertThrows(BadInputException.class, () -> config(fields).adapters(base, folder));
        assertEquals(folder + ": " + message, e.getMessage());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            r=4,alpha=6,targets=attention  | [k_proj, o_proj, q_proj, v_proj] | r=4,alpha=6,targets=attention
            targets=mlp                    | [down_proj, gate_proj, up_proj]  | r=16,alpha=32,targets=mlp
            r=8                            | [down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj] | r=8,alpha=16,targets=all
            targets=q_proj,v_proj,alpha=1  | [q_proj, v_proj] | r=16,alpha=1,targets=q_proj,v_proj
            dropout=0,targets=q_proj,mlp   | [down_proj, gate_proj, q_proj, up_proj] | r=16,alpha=32,targets=q_proj,mlp
            """)
    void newAdaptersOnALlama(String text, String targets, String said) {
        Lora lora = Lora.parse(text);
        assertEquals(targets, LoraTargets.of(lora, LLAMA.shape()).toString());
        assertEquals(said, lora.toString());
        assertEquals(lora, Lora.parse(said));
    }

    @Test
    void aTargetIsAsLongAsTellsItApart() throws IOException {
        assertEquals("[attn.c_proj, c_attn]", LoraTargets.of(Lora.parse("targets=attention"), GPT2.shape()).toString());
        assertEquals("[c_attn, c_fc, c_proj]", LoraTargets.of(Lora.parse("targets=all"), GPT2.shape()).toString());
        AdapterConfig made = AdapterConfig.of(Lora.parse("r=2,targets=mlp"), GPT2);
        assertEquals(List.of("h.0.mlp.c_fc", "h.0.mlp.c_proj", "h.1.mlp.c_fc", "h.1.mlp.c_proj"),
                made.adapters(GPT2, folder).stream().map(Adapter::module).toList());
        Files.writeString(folder.resolve(AdapterConfig.FILE), made.toJson());
        assertEquals(made.adapters(GPT2, folder), AdapterConfig.read(folder).adapters(GPT2, folder));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            dropout=0.05           | dropout is 0.05; Lethe trains without dropout, so that a record's gradient is its own
            r=0                    | r is 0.0; must be a whole number from 1
            r=4,r=5,alpha=-1       | r is given twice; alpha is -1.0; must be above 0
            rank=4                 | 'rank' is not one of r, alpha, dropout, targets
            r=4,,targets=          | '' is not name=value with a name of r, alpha, dropout, targets; 'targets=' is not name=value with a name of r, alpha, dropout, targets
            alpha=much             | alpha is much; must be a number
            """)
    void badOptionsAreToldAtOnce(String text, String problems) {
        var e = assertThrows(BadInputException.class, () -> Lora.parse(text));
        assertEquals("lora " + text + ": " + problems + "; write for example r=16,alpha=32,targets=attention", e.getMessage());
    }
}
