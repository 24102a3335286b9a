package dev.lethe.shape;

import dev.lethe.bindings.LetheNative;

/**
 * A place in a model with parameters whose gradient can be captured.
 *
 * @param index   position in {@code LanguageModel.sites()}
 * @param name    "wte", "h.3.mlp.c_fc", "lm_head"; "layers.3.self_attn.qkv_proj" for a checkpoint's q_proj, k_proj and v_proj,
 *                and "layers.3.mlp.gate_up_proj"
 * @param kind    what its gradient is made of
 * @param role    what it is for, whatever the checkpoint calls it
 * @param block   0..L-1, or -1 outside blocks
 * @param inputs  width of the factor A: V for wte, the context for wpe, C for a norm and for lm_head
 * @param outputs width of the factor G: V for lm_head
 * @param frozen  whether it is a base's alone: nothing is trained or captured there
 */
public record Site(int index, String name, Kind kind, Role role, int block, long inputs, long outputs, boolean frozen) {

    /** What a site's gradient is made of. */
    public enum Kind {
        /** The table of tokens (wte): scatter of the embedding-output gradient at their ids. */
        EMBEDDING(LetheNative.LETHE_SITE_EMBEDDING()),
        /** The table of positions (wpe): the same at the positions. */
        POSITION(LetheNative.LETHE_SITE_POSITION()),
        /** Layer or RMS norm: dense gradients of weight and, where there is one, bias. */
        NORM(LetheNative.LETHE_SITE_NORM()),
        /** A linear layer: A^T G and, for a bias, the column sums of G. */
        LINEAR(LetheNative.LETHE_SITE_LINEAR()),
        /** To logits (lm_head): E^T H; the same tensor as wte when the head is tied. */
        HEAD(LetheNative.LETHE_SITE_HEAD());

        private final int code;

        Kind(int code) {
            this.code = code;
        }

        /** {@return the one of that code}
         * @param code as the native library has it */
        public static Kind of(int code) {
            for (Kind kind : values()) {
                if (kind.code == code) {
                    return kind;
                }
            }
            throw new IllegalArgumentException("site kind " + code + " is not known to this version");
        }
    }

    /** What a site is for. */
    public enum Role {
        /** The table of tokens. */
        EMBEDDING(LetheNative.LETHE_ROLE_EMBEDDING()),
        /** The table of positions. */
        POSITION(LetheNative.LETHE_ROLE_POSITION()),
        /** A layer norm or RMS norm. */
        NORM(LetheNative.LETHE_ROLE_NORM()),
        /** Makes queries, keys and values. */
        ATTENTION_INPUT(LetheNative.LETHE_ROLE_ATTENTION_INPUT()),
        /** The projection behind attention. */
        ATTENTION_OUTPUT(LetheNative.LETHE_ROLE_ATTENTION_OUTPUT()),
        /** Into the MLP, its gate included. */
        MLP_INPUT(LetheNative.LETHE_ROLE_MLP_INPUT()),
        /** Out of the MLP. */
        MLP_OUTPUT(LetheNative.LETHE_ROLE_MLP_OUTPUT()),
        /** To logits. */
        HEAD(LetheNative.LETHE_ROLE_HEAD());

        private final int code;

        Role(int code) {
            this.code = code;
        }

        /** {@return the one of that code}
         * @param code as the native library has it */
        public static Role of(int code) {
            for (Role role : values()) {
                if (role.code == code) {
                    return role;
                }
            }
            throw new IllegalArgumentException("site role " + code + " is not known to this version");
        }
    }
}
