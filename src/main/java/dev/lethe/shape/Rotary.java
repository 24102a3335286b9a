package dev.lethe.shape;

import dev.lethe.bindings.LetheNative;
import java.util.Objects;

/**
 * How queries and keys turn with their position (RoPE, Su et al. 2021): of each head's first {@code size} numbers the i-th
 * and the (i + size / 2)-th, by position * base^(-2i / size) radians, stretched by a scaling.
 *
 * @param size       numbers of a head that turn, even
 * @param base       transformers' rope_theta
 * @param factor     linear and llama3: how much longer the context is made; 1 without a scaling
 * @param lowFactor  llama3: waves that fit {@code oldContext} fewer times are stretched by the factor; else 0
 * @param highFactor llama3: waves that fit it more often are left as they are; between the two mixed; else 0
 * @param oldContext llama3: positions the model was first trained with; else 0
 */
public record Rotary(long size, double base, Scaling scaling, double factor, double lowFactor, double highFactor,
        long oldContext) {

    /** Of angles, as transformers' rope_type. */
    public enum Scaling {
        PLAIN(LetheNative.LETHE_ROTARY_PLAIN()), LINEAR(LetheNative.LETHE_ROTARY_LINEAR()),
        LLAMA3(LetheNative.LETHE_ROTARY_LLAMA3());

        private final int code;

        Scaling(int code) {
            this.code = code;
        }

        public int code() {
            return code;
        }
    }

    public Rotary {
        Objects.requireNonNull(scaling, "scaling");
    }

    public static Rotary plain(long size, double base) {
        return new Rotary(size, base, Scaling.PLAIN, 1, 0, 0, 0);
    }
}
