package dev.lethe.influence;

import dev.lethe.base.BadInputException;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** The scores there are; formulas and sources in docs/influence.md. */
public enum ScoreMethod {
    /** &lt;g_q, g_i&gt;. */
    DOT,
    /** The same with each step's learning rate. */
    TRACIN,
    /** &lt;g_q, g_i&gt; / (|g_q| |g_i|). */
    COSINE,
    /** &lt;g_i, g_i&gt;: no query. */
    SELF,
    /** &lt;y, dL/dy&gt; of the query's own records: no ledger. */
    ACT_GRAD,
    /** g_q' H g_i. */
    HVP,
    /** g_q' (C + damping I)^-1 g_i, solved by conjugate gradients. */
    CG,
    /** The same with the EK-FAC approximation of C. */
    EKFAC,
    /** That query v = (C + damping I)^-1 g_q as a cosine: &lt;v, g_i&gt; / (|v| |g_i|). */
    EKFAC_COSINE;

    /** As the command line spells it. */
    public String label() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** Whether the score multiplies the ledger with something else than the query's gradient. */
    public boolean curved() {
        return this == HVP || this == CG || factored();
    }

    /** Whether its inverse is that of Kronecker factors. */
    public boolean factored() {
        return this == EKFAC || this == EKFAC_COSINE;
    }

    /** The plainest method that multiplies the ledger with the same vector: its products are this one's too. */
    public ScoreMethod vector() {
        return switch (this) {
            case DOT, TRACIN, COSINE -> DOT;
            case EKFAC, EKFAC_COSINE -> EKFAC;
            default -> this;
        };
    }

    /** What a score is, for an axis. */
    public String unit() {
        return switch (this) {
            case COSINE, EKFAC_COSINE -> "cosine";
            case ACT_GRAD, TRACIN -> "nats";
            case HVP -> "nats a unit step squared";
            case CG, EKFAC -> "nats a record's weight";
            case DOT, SELF -> "nats a unit step";
        };
    }

    /** How an entry's product counts. */
    public Weighing weighing() {
        return switch (this) {
            case TRACIN -> Weighing.LEARNING_RATE;
            case COSINE, EKFAC_COSINE -> Weighing.COSINE;
            default -> Weighing.SUM;
        };
    }

    /**
     * @param what asks, as the message says it
     * @throws BadInputException listing the methods
     */
    public static ScoreMethod of(String what, String label) {
        return Arrays.stream(values()).filter(method -> method.label().equals(label)).findFirst()
                .orElseThrow(() -> new BadInputException(what + " " + label + ": there are "
                        + Arrays.stream(values()).map(ScoreMethod::label).collect(Collectors.joining(", "))));
    }

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
}
