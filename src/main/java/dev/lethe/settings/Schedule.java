/*
 * The learning rate of each step: warm-up from zero, then linear, cosine or no decay. The same numbers as transformers'
 * get_linear_schedule_with_warmup, get_cosine_schedule_with_warmup (half a cycle) and get_constant_schedule_with_warmup.
 * Leaves out restarts and per-tensor rates.
 */
package dev.lethe.settings;

/** How the learning rate moves over a training. Immutable, any thread. */
public enum Schedule {
    /** In a straight line to 0. */
    LINEAR,
    /** Along half a cosine to 0. */
    COSINE,
    /** Not at all. */
    CONSTANT;

    /**
     * The factor on the peak rate at a step.
     *
     * @param step   0-based: the number of optimizer steps already taken
     * @param warmup steps over which the rate climbs from 0; with warm-up the very first step has rate 0, as transformers
     * @param total  steps of the whole training; linear and cosine reach 0 there
     * @return 0 to 1
     */
    public double factor(long step, long warmup, long total) {
        if (step < 0 || warmup < 0 || total < 1) {
            throw new IllegalArgumentException("step " + step + ", warm-up " + warmup + ", total " + total
                    + ": step and warm-up must not be negative and total must be at least 1");
        }
        if (step < warmup) {
            return (double) step / Math.max(1, warmup);
        }
        double progress = (double) (step - warmup) / Math.max(1, total - warmup);
        return switch (this) {
            case LINEAR -> Math.max(0, 1 - progress);
            case COSINE -> Math.max(0, 0.5 * (1 + StrictMath.cos(Math.PI * progress)));
            case CONSTANT -> 1;
        };
    }
}
