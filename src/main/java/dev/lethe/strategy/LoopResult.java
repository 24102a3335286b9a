package dev.lethe.strategy;

/**
 * What a strategy came to.
 *
 * @param before  losses before the first step
 * @param after   losses at the end
 * @param ascents steps of the ascent or of the objective that were kept
 * @param repairs steps that saw retain records
 * @param reached whether it ended where it was to: the forget loss within the reference (two percent short still counts),
 *                the influence gone
 * @param left    share of the influence before that is left; see {@code Erasure.influenceLeft()}
 */
public record LoopResult(Losses before, Losses after, int ascents, int repairs, boolean reached, double left) {
    /** A forget loss this share of the target counts as reached. */
    private static final double NEAR = 0.98;

    static LoopResult of(Losses before, Losses after, int ascents, int repairs, double target) {
        return new LoopResult(before, after, ascents, repairs, after.forget() >= NEAR * target, left(before, after, target));
    }

    /** How much lower the forget loss still is than the target, as a share of what it was before. */
    static double left(Losses before, Losses now, double target) {
        double gap = target - before.forget();
        return gap <= 0 ? 0 : Math.max(0, (target - now.forget()) / gap);
    }
}
