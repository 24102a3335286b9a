package dev.lethe.eval;

/**
 * How much of a record a model would say by itself, from which of its target tokens the model's greedy choice hits
 * under teacher forcing (the true tokens are always fed, whatever was predicted before).
 */
public final class Memorisation {
    private Memorisation() {}

    /**
     * Exact memorisation (Tirumala et al. 2022; exact_memorization in OpenUnlearning): the share of target tokens hit.
     *
     * @param hits one a target token, in order
     * @return 0..1, NaN for a record without targets
     */
    public static double exact(boolean[] hits) {
        int count = 0;
        for (boolean hit : hits) {
            count += hit ? 1 : 0;
        }
        return hits.length == 0 ? Double.NaN : (double) count / hits.length;
    }

    /**
     * Extraction strength (Carlini et al. 2021): 1 - k/n for the shortest prefix k after which every token is hit, so 1
     * when the model says all of it and 0 when it misses the last token. OpenUnlearning's extraction_strength is the
     * same but never looks at k = n, and so gives 1/n where this gives 0.
     *
     * @param hits one a target token, in order
     * @return 0..1, NaN for a record without targets
     */
    public static double extractionStrength(boolean[] hits) {
        int k = hits.length;
        while (k > 0 && hits[k - 1]) {
            k--;
        }
        return hits.length == 0 ? Double.NaN : 1 - (double) k / hits.length;
    }
}
