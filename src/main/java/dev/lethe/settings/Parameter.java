package dev.lethe.settings;

import java.util.Arrays;
import java.util.function.DoublePredicate;

/** A number that some strategies have and others have not; {@link Strategy} says which, docs/strategies.md what it does in each. */
public enum Parameter {
    /** AdamW's peak in an objective and in the task vector's fine-tuning; 0 = half of the training's, of an adapter all of it. */
    LEARNING_RATE("learning_rate", "RATE", 0, value -> value >= 0 && value < 1, "0 (automatic) to below 1",
            "AdamW's peak; 0 = half of the training's, of an adapter all of it"),
    /** Gamma: of the forget records' term in an objective. */
    FORGET_WEIGHT("forget_weight", "X", 1, value -> value > 0, "above 0", "Weight of the forget records' term"),
    /** Alpha: of the retain records' term in an objective. */
    RETAIN_WEIGHT("retain_weight", "X", 1, value -> value >= 0, "at least 0", "Weight of the retain records' term"),
    /** Inverse temperature of a preference; power of a token's probability; nats that undial takes off a target's logit. */
    BETA("beta", "X", 1, value -> value > 0, "above 0",
            "Inverse temperature; of wga and satimp a power of a token's probability, of undial nats off a target's logit"),
    /** Margin of simnpo, nats a token. */
    DELTA("delta", "NATS", 0, Double::isFinite, "finite", "Margin"),
    /** Power of 1 less a token's probability in satimp. */
    BETA2("beta2", "X", 0, value -> value >= 0, "at least 0", "Power of 1 less a token's probability"),
    /** By how much pdu lets the retain loss rise, nats a token. */
    SLACK("slack", "NATS", 0, value -> value >= 0, "at least 0", "By how much the retain loss may rise before it has a price"),
    /** Of the price that pdu has on it. */
    DUAL_RATE("dual_rate", "X", 0, value -> value >= 0, "at least 0",
            "By how much that price, retain_weight at first, changes a step and nat"),
    /** C: length of rmu's random direction, in units of the hidden state. */
    STEERING("steering", "C", 20, value -> value > 0, "above 0", "Length of the random direction"),
    /** Block whose output rmu steers, counted from 0; -1 = the middle one. */
    BLOCK("block", "N", -1, value -> value >= -1 && value == Math.rint(value), "a whole number of at least 0, or -1 for the middle one",
            "Block whose output is steered, counted from 0; -1 = the middle one"),
    /** Lambda of gauss-newton; 0 = a tenth of the mean eigenvalue of each block. */
    DAMPING("damping", "X", 0, value -> value >= 0, "at least 0", "Of the curvature; 0 = a tenth of each block's mean eigenvalue"),
    /** 1: gauss-newton's curvature is of what the ledger keeps of the retain records, 0: of passes over them. */
    LEDGER_CURVATURE("ledger_curvature", "0|1", 0, value -> value == 0 || value == 1, "0 or 1",
            "1 = the curvature of what the ledger keeps of retain records, without a pass over them; needs the sites captured"),
    /** Steps of the task vector's fine-tuning. */
    TUNE_STEPS("tune_steps", "N", 30, value -> value >= 1 && value == Math.rint(value), "a whole number of at least 1",
            "Steps of the fine-tuning");

    private final String label;
    private final String placeholder;
    private final double usual;
    private final DoublePredicate allowed;
    private final String range;
    private final String says;

    Parameter(String label, String placeholder, double usual, DoublePredicate allowed, String range, String says) {
        this.label = label;
        this.placeholder = placeholder;
        this.usual = usual;
        this.allowed = allowed;
        this.range = range;
        this.says = says;
    }

    /** {@return the name as a setting and in JSON} */
    public String label() {
        return label;
    }

    /** {@return what stands for a value in help} */
    public String placeholder() {
        return placeholder;
    }

    /** {@return the value in a strategy that has no other} */
    public double usual() {
        return usual;
    }

    /** {@return one sentence, without a full stop} */
    public String says() {
        return says;
    }

    /**
     * The value, checked.
     *
     * @param value it
     * @return it
     * @throws IllegalArgumentException naming the parameter and what is allowed
     */
    double require(double value) {
        if (!allowed.test(value) || Double.isInfinite(value)) {
            throw new IllegalArgumentException(label + " is " + value + ", allowed: " + range);
        }
        return value;
    }

    static Parameter parse(String label) {
        return Arrays.stream(values()).filter(one -> one.label.equals(label)).findFirst()
                .orElseThrow(() -> new IllegalArgumentException(label + " is no number of a strategy"));
    }
}
