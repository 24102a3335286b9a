package dev.lethe.shape;

import dev.lethe.bindings.LetheNative;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a transformer block is made of, beside its widths.
 *
 * @param kvHeads heads of keys and values, which neighbouring heads share; 0: as many as heads
 * @param headSize numbers of a head; 0: channels / heads
 * @param rotary null: nothing turns, as in GPT-2, whose positions are learned
 * @param family of architectures
 * @param activation of the MLP
 * @param options what differs from the family's
 */
public record Block(Family family, Activation activation, long kvHeads, long headSize, @Nullable Rotary rotary,
        Set<Option> options) {

    /** GPT-2's as published: tanh-GELU, learned positions, biases everywhere. */
    public static final Block GPT2 = new Block(Family.GPT2, Activation.GELU_TANH, 0, 0, null, Set.of());

    /** Architectures that share a table of steps. */
    public enum Family {
        /** Layer norm, learned positions, one site for queries, keys and values. */
        GPT2(LetheNative.LETHE_GPT2()),
        /** Llama, Mistral, Qwen2, Qwen3: RMS norm, rotary positions, shared key heads, a gated MLP. */
        LLAMA(LetheNative.LETHE_LLAMA()),
        /** GPT-NeoX, Pythia: layer norm, partly rotary positions, queries, keys and values head by head. */
        GPT_NEOX(LetheNative.LETHE_GPT_NEOX());

        private final int code;

        Family(int code) {
            this.code = code;
        }

        /** {@return what the native library calls it} */
        public int code() {
            return code;
        }
    }

    /** Of the MLP. GELU is exact (erf), GELU_TANH its approximation by tanh. */
    public enum Activation {
        /** GELU by its tanh approximation. */
        GELU_TANH(LetheNative.LETHE_GELU_TANH()),
        /** GELU. */
        GELU(LetheNative.LETHE_GELU()),
        /** max(x, 0). */
        RELU(LetheNative.LETHE_RELU()),
        /** x times its logistic function, of gated MLPs. */
        SILU(LetheNative.LETHE_SILU()),
        /** The hyperbolic tangent. */
        TANH(LetheNative.LETHE_TANH());

        private final int code;

        Activation(int code) {
            this.code = code;
        }

        /** {@return what the native library calls it} */
        public int code() {
            return code;
        }
    }

    /** Departures from GPT-2's block. */
    public enum Option {
        /** What makes queries, keys and values has no bias. */
        NO_QKV_BIAS(LetheNative.LETHE_NO_QKV_BIAS()),
        /** Attention's output has none. */
        NO_OUTPUT_BIAS(LetheNative.LETHE_NO_OUTPUT_BIAS()),
        /** The MLP has no biases. */
        NO_MLP_BIAS(LetheNative.LETHE_NO_MLP_BIAS()),
        /** RMS norm of each head's queries and keys: Qwen3. */
        HEAD_NORM(LetheNative.LETHE_HEAD_NORM()),
        /** Attention and MLP read the same residual stream: GPT-NeoX. */
        PARALLEL(LetheNative.LETHE_PARALLEL()),
        /** Scores are not divided by the root of the head size: GPT-2 with scale_attn_weights false. */
        UNSCALED_SCORES(LetheNative.LETHE_UNSCALED_SCORES()),
        /** Scores of block l are divided by l + 1 too: GPT-2's scale_attn_by_inverse_layer_idx. */
        SCORES_BY_BLOCK(LetheNative.LETHE_SCORES_BY_BLOCK());

        private final int bit;

        Option(int bit) {
            this.bit = bit;
        }
    }

    /** Fills in what is left out. */
    public Block {
        Objects.requireNonNull(family, "family");
        Objects.requireNonNull(activation, "activation");
        options = options.isEmpty() ? Set.of() : Collections.unmodifiableSet(EnumSet.copyOf(options));
    }

    /** The same with 0 for what 0 stands for, so that equal models are equal. */
    Block plain(long channels, long heads) {
        return new Block(family, activation, kvHeads == heads ? 0 : kvHeads, headSize * heads == channels ? 0
                : headSize, rotary,
                options);
    }

    /** {@return the options as the C ABI takes them} */
    public int bits() {
        return options.stream().mapToInt(option -> option.bit).sum();
    }

    /**
     * How queries and keys turn with their position (RoPE, Su et al. 2021): of each head's first {@code size} numbers the i-th
     * and the (i + size / 2)-th, by position * base^(-2i / size) radians, stretched by a scaling.
     *
     * @param size numbers of a head that turn, even
     * @param base transformers' rope_theta
     * @param factor linear and llama3: how much longer the context is made; 1 without a scaling
     * @param lowFactor llama3: waves that fit {@code oldContext} fewer times are stretched by the factor; else 0
     * @param highFactor llama3: waves that fit it more often are left as they are; between the two mixed; else 0
     * @param oldContext llama3: positions the model was first trained with; else 0
     * @param scaling how long contexts turn
     */
    public record Rotary(long size, double base, Scaling scaling, double factor, double lowFactor, double highFactor,
            long oldContext) {

        /** Of angles, as transformers' rope_type. */
        public enum Scaling {
            /** None. */
            PLAIN(LetheNative.LETHE_ROTARY_PLAIN()),
            /** Every angle by the factor. */
            LINEAR(LetheNative.LETHE_ROTARY_LINEAR()),
            /** Low frequencies by the factor, as in Llama 3. */
            LLAMA3(LetheNative.LETHE_ROTARY_LLAMA3());

            private final int code;

            Scaling(int code) {
                this.code = code;
            }

            /** {@return what the native library calls it} */
            public int code() {
                return code;
            }
        }

        /** Refuses null for the scaling. */
        public Rotary {
            Objects.requireNonNull(scaling, "scaling");
        }

        /**
         * {@return embeddings that turn without scaling}
         *
         * @param size numbers of a head that turn
         * @param base of the angles
         */
        public static Rotary plain(long size, double base) {
            return new Rotary(size, base, Scaling.PLAIN, 1, 0, 0, 0);
        }
    }
}
