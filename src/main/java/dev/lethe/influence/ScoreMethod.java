package dev.lethe.influence;

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
    /** The same by a Neumann series over samples of C. */
    LISSA,
    /** The same with the EK-FAC approximation of C. */
    EKFAC;

    /** As the command line spells it. */
    public String label() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** Whether the score multiplies the ledger with something else than the query's gradient. */
    public boolean curved() {
        return this == HVP || this == CG || this == LISSA || this == EKFAC;
    }

    /** What a score is, for an axis. */
    public String unit() {
        if (curved()) return this == HVP ? "nats a unit step squared" : "nats a record's weight";
        return this == COSINE ? "cosine" : this == ACT_GRAD ? "nats" : this == TRACIN ? "nats" : "nats a unit step";
    }

    /** How an entry's product counts. */
    public Weighing weighing() {
        return switch (this) {
            case TRACIN -> Weighing.LEARNING_RATE;
            case COSINE -> Weighing.COSINE;
            default -> Weighing.SUM;
        };
    }

    /** @throws IllegalArgumentException listing the methods */
    public static ScoreMethod of(String label) {
        return Arrays.stream(values()).filter(method -> method.label().equals(label)).findFirst()
                .orElseThrow(() -> new IllegalArgumentException(label + ": there are "
                        + Arrays.stream(values()).map(ScoreMethod::label).collect(Collectors.joining(", "))));
    }
}
