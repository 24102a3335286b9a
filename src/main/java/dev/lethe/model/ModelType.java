package dev.lethe.model;

import dev.lethe.shape.Block;
import dev.lethe.shape.Block.Option;
import dev.lethe.shape.ModelShape;
import java.util.Arrays;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * transformers' {@code model_type}, and how its checkpoints name tensors: as the engine does, behind a prefix that the head
 * goes without.
 */
enum ModelType {
    GPT2("GPT2LMHeadModel", "transformer.", "h\\.\\d+\\.attn\\.(bias|masked_bias)"),
    LLAMA("LlamaForCausalLM"),
    MISTRAL("MistralForCausalLM"),
    QWEN2("Qwen2ForCausalLM"),
    QWEN3("Qwen3ForCausalLM"),
    GPT_NEOX("GPTNeoXForCausalLM", "gpt_neox.", "layers\\.\\d+\\.attention\\.(bias|masked_bias|rotary_emb\\.inv_freq)");

    private final String architecture;
    private final String prefix;
    private final Pattern buffers;

    /** Llama and its kin. */
    ModelType(String architecture) {
        this(architecture, "model.", "layers\\.\\d+\\.self_attn\\.rotary_emb\\.inv_freq");
    }

    ModelType(String architecture, String prefix, String buffers) {
        this.architecture = architecture;
        this.prefix = prefix;
        this.buffers = Pattern.compile(buffers);
    }

    /** As config.json has it. */
    String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** transformers' class. */
    String architecture() {
        return architecture;
    }

    static String known() {
        return Arrays.stream(values()).map(ModelType::key).collect(Collectors.joining(", "));
    }

    /** Null when there is no such type. */
    static ModelType of(Object key) {
        return Arrays.stream(values()).filter(type -> type.key().equals(key)).findFirst().orElse(null);
    }

    /** The type that a new model of a shape is written as: of those that can be it, the first. */
    static ModelType of(ModelShape shape) {
        Block block = shape.block();
        return switch (block.family()) {
            case GPT2 -> GPT2;
            case GPT_NEOX -> GPT_NEOX;
            case LLAMA -> block.options().contains(Option.HEAD_NORM) ? QWEN3
                    : block.options().contains(Option.NO_OUTPUT_BIAS) && !block.options().contains(Option.NO_QKV_BIAS) ? QWEN2
                    : LLAMA;
        };
    }

    String prefix() {
        return prefix;
    }

    /** The engine's name of a checkpoint's tensor, whether it has the prefix or not. */
    String plain(String name) {
        if (this == GPT_NEOX && name.equals("lm_head.weight")) {
            return "embed_out.weight"; // as transformers 5 calls it in memory, and reads it
        }
        return name.startsWith(prefix) ? name.substring(prefix.length()) : name;
    }

    /** The name that transformers' save_pretrained writes. */
    String written(String plain) {
        return plain.equals("lm_head.weight") || plain.equals("embed_out.weight") ? plain : prefix + plain;
    }

    /** Whether a tensor, by its plain name, is a buffer that files carry beside the parameters: nothing is learned there. */
    boolean isBuffer(String plain) {
        return buffers.matcher(plain).matches();
    }
}
