package dev.lethe.settings;

/**
 * Erasing in rounds, each along a direction computed anew from the request's own records, until their influence is gone:
 * what the paper does where the training records are not looked for (Zagardo 2024, iterative unlearning).
 *
 * @param share  of the influence before, at or under which it counts as gone; see {@code Erasure.influenceLeft()}
 * @param rounds after which to give up
 */
public record Iterative(double share, int rounds) {
    /**
     * Validates.
     *
     * @throws IllegalArgumentException unless the share is in [0, 1) and there is a round
     */
    public Iterative {
        if (!(share >= 0 && share < 1) || rounds < 1) {
            throw new IllegalArgumentException("iterative to a share of " + share + " in " + rounds
                    + " rounds: the share must be 0 to below 1, the rounds at least 1");
        }
    }

    /**
     * Parses {@code SHARExROUNDS}, such as {@code 0.05x20}.
     *
     * @param text as it is written
     * @return the rounds
     * @throws IllegalArgumentException for anything else
     */
    public static Iterative parse(String text) {
        return FixedRate.parse(text, "iterative", "SHARExROUNDS, for example 0.05x20", Iterative::new);
    }

    @Override
    public String toString() {
        return share + "x" + rounds;
    }
}
