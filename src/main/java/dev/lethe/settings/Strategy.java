package dev.lethe.settings;

import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * How the weights are moved so that records are forgotten: the paper's ascents (Zagardo 2024, arXiv 2406.09391), and what
 * the field compares with. Formulas, costs and options: docs/strategies.md.
 */
public enum Strategy {
    /** Ascent along the gradients captured last, nearest to the weights of now. */
    LAST_EPOCH("last-epoch", Kind.ASCENT, true, Tuning.NONE),
    /** Ascent along the gradients captured when each record was first seen; needs a run trained with {@code capture=first}. */
    FIRST_EPOCH("first-epoch", Kind.ASCENT, true, Tuning.NONE),
    /** Ascent along those of every epoch, or of one of them; needs a run trained with {@code capture=all}. */
    MULTI_EPOCH("multi-epoch", Kind.ASCENT, true, Tuning.NONE),
    /** Ascent along the gradients at the weights of now, computed anew at each step; needs no ledger. */
    FRESH("fresh", Kind.ASCENT, false, Tuning.NONE),
    /** Away from where fine-tuning on the forget set leads (Ilharco et al. 2023). */
    TASK_VECTOR("task-vector", Kind.ASCENT, false, Tuning.of(Parameter.LEARNING_RATE, Parameter.TUNE_STEPS)),
    /** Gauss-Newton steps uphill, with the curvature of the retain records (McKinney et al. 2026, K-FADE). */
    GAUSS_NEWTON("gauss-newton", Kind.ASCENT, false, Tuning.of(Parameter.DAMPING, Parameter.LEDGER_CURVATURE)),
    /** AdamW on the negated loss of the forget set (Jang et al. 2023). */
    GRAD_ASCENT("grad-ascent", Kind.OBJECTIVE, false, Tuning.ALONE),
    /** The same plus the loss of retain records (Liu et al. 2022). */
    GRAD_DIFF("grad-diff", Kind.OBJECTIVE, false, Tuning.BOTH),
    /** The negated loss plus the divergence from the model before on retain records (Maini et al. 2024). */
    KL("kl", Kind.OBJECTIVE, false, Tuning.BOTH),
    /** Negative preference optimisation (Zhang et al. 2024). */
    NPO("npo", Kind.OBJECTIVE, false, Tuning.BOTH.and(Parameter.BETA, 0.1)),
    /** The same by length-normalised losses, without a reference model (Fan et al. 2024). */
    SIMNPO("simnpo", Kind.OBJECTIVE, false,
            Tuning.BOTH.and(Parameter.FORGET_WEIGHT, 0.125).and(Parameter.BETA, 4.5).and(Parameter.DELTA, 0)),
    /** Hidden states misdirected on forget records, held on retain records (Li et al. 2024). */
    RMU("rmu", Kind.OBJECTIVE, false, Tuning.BOTH.and(Parameter.STEERING, 20).and(Parameter.BLOCK, -1)),
    /** Ascent on each token by its probability (Wang et al. 2025). */
    WGA("wga", Kind.OBJECTIVE, false, Tuning.BOTH.and(Parameter.BETA, 1)),
    /** Ascent on each token by how far it is from certain and from unlikely (Yang et al. 2025). */
    SATIMP("satimp", Kind.OBJECTIVE, false, Tuning.BOTH.and(Parameter.FORGET_WEIGHT, 0.1).and(Parameter.BETA, 5).and(Parameter.BETA2, 1)),
    /** Toward the model before with the records' tokens made less likely (Dong et al. 2024). */
    UNDIAL("undial", Kind.OBJECTIVE, false, Tuning.BOTH.and(Parameter.RETAIN_WEIGHT, 0).and(Parameter.BETA, 10)),
    /** Toward the present prediction without the record's token (Yang 2025). */
    CEU("ce-u", Kind.OBJECTIVE, false, Tuning.ALONE),
    /** Flat predictions under a bound on the retain loss (Entesari et al. 2025). */
    PDU("pdu", Kind.OBJECTIVE, false, Tuning.BOTH.and(Parameter.RETAIN_WEIGHT, 100).and(Parameter.SLACK, 0.2).and(Parameter.DUAL_RATE, 5)),
    /** An answer of not knowing preferred to the record's (Rafailov et al. 2023, Maini et al. 2024). */
    DPO("dpo", Kind.OBJECTIVE, false, Tuning.BOTH.and(Parameter.BETA, 0.1)),
    /** A plausible wrong answer preferred to the record's (Mekala et al. 2024). */
    ALTPO("altpo", Kind.OBJECTIVE, false, Tuning.BOTH.and(Parameter.BETA, 0.1)),
    /** The run's training from its beginning, without the forget set: what the others are measured against. */
    RETRAIN("retrain", Kind.RETRAIN, false, Tuning.NONE),
    /** The same from the last kept checkpoint that has not seen the forget set, every other record in its step of then. */
    REPLAY("replay", Kind.RETRAIN, false, Tuning.NONE);

    /** What moves the weights, and so which options count. */
    public enum Kind {
        /** Steps along a direction, their length found by backtracking. */
        ASCENT,
        /** AdamW on a loss of forget and retain records. */
        OBJECTIVE,
        /** A training without the records. */
        RETRAIN
    }

    private final String label;
    private final Kind kind;
    private final boolean usesLedger;
    private final Tuning tuning;

    Strategy(String label, Kind kind, boolean usesLedger, Tuning tuning) {
        this.label = label;
        this.kind = kind;
        this.usesLedger = usesLedger;
        this.tuning = tuning;
    }

    /** {@return the name on the command line and in JSON} */
    public String label() {
        return label;
    }

    /** {@return how it moves the weights} */
    public Kind kind() {
        return kind;
    }

    /** {@return whether it needs the forget records' captured gradients} */
    public boolean usesLedger() {
        return usesLedger;
    }

    /** {@return its own numbers, OpenUnlearning's (arXiv 2506.12618) where it has them} */
    public Tuning tuning() {
        return tuning;
    }

    /**
     * {@return whether it climbs along the forget records' gradients, which the defaults of contrast and repair were made for}
     */
    public boolean alongGradients() {
        return switch (this) {
            case LAST_EPOCH, FIRST_EPOCH, MULTI_EPOCH, FRESH -> true;
            default -> false;
        };
    }

    /**
     * {@return whether it puts another answer in the place of a record's, which must then be a prompt and its answer}
     */
    public boolean answers() {
        return this == DPO || this == ALTPO;
    }

    /** {@return every name, as errors and help list them} */
    public static String labels() {
        return Arrays.stream(values()).map(Strategy::label).collect(Collectors.joining(", "));
    }

    /**
     * The strategy of that name.
     *
     * @param text as it is written
     * @return the strategy
     * @throws IllegalArgumentException naming the known ones
     */
    public static Strategy parse(String text) {
        return Arrays.stream(values()).filter(strategy -> strategy.label.equals(text)).findFirst()
                .orElseThrow(() -> new IllegalArgumentException("unknown strategy '" + text + "'; known are "
                        + labels()));
    }
}
