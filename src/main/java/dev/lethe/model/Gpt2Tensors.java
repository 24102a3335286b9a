package dev.lethe.model;

import java.util.regex.Pattern;

/** How GPT-2 checkpoints name tensors: with the {@code transformer.} prefix or without, and with masks beside them. */
final class Gpt2Tensors {
    static final String PREFIX = "transformer.";
    static final String TOKEN_TABLE = "wte.weight";
    static final String HEAD = "lm_head.weight";

    /** Causal masks that old files carry beside the parameters; they hold nothing to learn. */
    private static final Pattern MASK = Pattern.compile("h\\.\\d+\\.attn\\.(bias|masked_bias)");

    private Gpt2Tensors() {
    }

    /** The name without its prefix. */
    static String plain(String name) {
        return name.startsWith(PREFIX) ? name.substring(PREFIX.length()) : name;
    }

    /** The name transformers' GPT2LMHeadModel writes. */
    static String written(String plain) {
        return plain.equals(HEAD) ? plain : PREFIX + plain;
    }

    static boolean isMask(String plain) {
        return MASK.matcher(plain).matches();
    }
}
