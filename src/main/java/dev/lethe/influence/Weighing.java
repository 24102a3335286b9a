package dev.lethe.influence;

/** What an entry's inner product with the query counts for in its record's score. */
public enum Weighing {
    /** &lt;g_q, g_i&gt;, summed over the epochs. */
    SUM,
    /** Times the learning rate of the entry's step: TracIn (Pruthi et al. 2020, arXiv 2002.08484, eq. 2). */
    LEARNING_RATE,
    /**
     * &lt;g_q, g_i&gt; / (|g_q| |g_i|), the mean over the epochs (Barshan et al. 2020 argue for it: a raw product is large for
     * every record of large gradient). A site's part is its share of the product, so that parts add up to the total.
     */
    COSINE
}
