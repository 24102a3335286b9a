package dev.lethe.metric;

/**
 * How much of a record a model would say by itself, from which of its target tokens the model's greedy choice hits
 * under teacher forcing (the true tokens are always fed, whatever was predicted before). Number for number
 * src/evals/metrics/memorization.py of OpenUnlearning, which looks at every target but the last (the end of text).
 */
public final class Memorisation {
    private Memorisation() {}

    /**
     * Exact memorisation (Tirumala et al. 2022; OpenUnlearning's exact_memorization): the share of target tokens hit.
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
     * Extraction strength (Carlini et al. 2021; OpenUnlearning's extraction_strength): 1 - k/n for the shortest prefix k
     * below n after which every token is hit, so 1 when the model says all of it. The field stops at k = n - 1: a model
     * that misses the last token has 1/n, as one that hits it alone has.
     *
     * @param hits one a target token, in order
     * @return 1/n..1, NaN for a record without targets
     */
    public static double extractionStrength(boolean[] hits) {
        return hits.length == 0 ? Double.NaN : 1 - (double) Math.min(missed(hits), hits.length - 1) / hits.length;
    }

    /**
     * The same with k = n allowed: 0 when the model misses the last token. Sounder where records are short: a model that
     * knows nothing of ten tokens has 0.1 under {@link #extractionStrength}, which moves with the records' length.
     */
    public static double extractionStrengthOrZero(boolean[] hits) {
        return hits.length == 0 ? Double.NaN : 1 - (double) missed(hits) / hits.length;
    }

    /** Tokens up to the last one that is not hit. */
    private static int missed(boolean[] hits) {
        int k = hits.length;
        while (k > 0 && hits[k - 1]) {
            k--;
        }
        return k;
    }
}
