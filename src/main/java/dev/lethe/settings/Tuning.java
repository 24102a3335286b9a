package dev.lethe.settings;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.ArrayList;
import java.util.List;

/**
 * The numbers of particular strategies; each uses some (docs/strategies.md) and ignores the rest. Immutable.
 *
 * @param retainWeight alpha: of the retain records' term in an objective
 * @param forgetWeight gamma: of the forget records' term
 * @param beta         inverse temperature of npo, simnpo, dpo and altpo; power of a token's probability in wga and satimp;
 *                     nats that undial takes off a target's logit
 * @param delta        margin of simnpo, nats a token
 * @param learningRate AdamW's peak in an objective and in the task vector's fine-tuning; 0 = half of the training's, of an
 *                     adapter all of it
 * @param steering     c: length of rmu's random direction, in units of the hidden state
 * @param block        block whose output rmu steers, counted from 0; -1 = the middle one
 * @param damping      lambda of gauss-newton; 0 = a tenth of the mean eigenvalue of each block
 * @param tuneSteps    steps of the task vector's fine-tuning
 * @param beta2        power of 1 less a token's probability in satimp
 * @param slack        by how much pdu lets the retain loss rise, nats a token
 * @param dualRate     of the price that pdu has on it
 */
public record Tuning(double retainWeight, double forgetWeight, double beta, double delta, double learningRate,
                     double steering, int block, double damping, int tuneSteps,
                     // absent from JSON where they are 0, as before there were these
                     @JsonInclude(JsonInclude.Include.NON_DEFAULT) double beta2,
                     @JsonInclude(JsonInclude.Include.NON_DEFAULT) double slack,
                     @JsonInclude(JsonInclude.Include.NON_DEFAULT) double dualRate) {

    /** Validates every value and lists all problems at once. */
    public Tuning {
        List<String> problems = new ArrayList<>();
        require(problems, retainWeight >= 0 && Double.isFinite(retainWeight), "retainWeight", retainWeight, "at least 0");
        require(problems, forgetWeight > 0 && Double.isFinite(forgetWeight), "forgetWeight", forgetWeight, "above 0");
        require(problems, beta > 0 && Double.isFinite(beta), "beta", beta, "above 0");
        require(problems, Double.isFinite(delta), "delta", delta, "finite");
        require(problems, learningRate >= 0 && learningRate < 1, "learningRate", learningRate, "0 (automatic) to below 1");
        require(problems, steering > 0 && Double.isFinite(steering), "steering", steering, "above 0");
        require(problems, block >= -1, "block", block, "at least 0, or -1 for the middle one");
        require(problems, damping >= 0 && Double.isFinite(damping), "damping", damping, "at least 0");
        require(problems, tuneSteps >= 1, "tuneSteps", tuneSteps, "at least 1");
        require(problems, beta2 >= 0 && Double.isFinite(beta2), "beta2", beta2, "at least 0");
        require(problems, slack >= 0 && Double.isFinite(slack), "slack", slack, "at least 0");
        require(problems, dualRate >= 0 && Double.isFinite(dualRate), "dualRate", dualRate, "at least 0");
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("; ", problems));
        }
    }

    private static void require(List<String> problems, boolean holds, String name, Object value, String allowed) {
        if (!holds) {
            problems.add(name + " is " + value + ", allowed: " + allowed);
        }
    }

    /**
     * {@return the strategy's own numbers, OpenUnlearning's (arXiv 2506.12618) where it has them}
     *
     * @param strategy whose
     */
    public static Tuning of(Strategy strategy) {
        Tuning plain = new Tuning(1, 1, 1, 0, 0, 20, -1, 0, 30, 0, 0, 0);
        return switch (strategy) {
            case NPO -> plain.withBeta(0.1);
            case SIMNPO -> plain.withBeta(4.5).withForgetWeight(0.125);
            case DPO, ALTPO -> plain.withBeta(0.1);
            case SATIMP -> plain.withBeta(5).withBeta2(1).withForgetWeight(0.1);
            case UNDIAL -> plain.withBeta(10).withRetainWeight(0);
            case PDU -> plain.withRetainWeight(100).withSlack(0.2).withDualRate(5);
            default -> plain;
        };
    }

    /**
     * {@return the same with another {@link #retainWeight}}
     *
     * @param value it
     */
    public Tuning withRetainWeight(double value) {
        return new Tuning(value, forgetWeight, beta, delta, learningRate, steering, block, damping, tuneSteps, beta2,
                slack, dualRate);
    }

    /**
     * {@return the same with another {@link #forgetWeight}}
     *
     * @param value it
     */
    public Tuning withForgetWeight(double value) {
        return new Tuning(retainWeight, value, beta, delta, learningRate, steering, block, damping, tuneSteps, beta2,
                slack, dualRate);
    }

    /**
     * {@return the same with another {@link #beta}}
     *
     * @param value it
     */
    public Tuning withBeta(double value) {
        return new Tuning(retainWeight, forgetWeight, value, delta, learningRate, steering, block, damping, tuneSteps, beta2,
                slack, dualRate);
    }

    /**
     * {@return the same with another {@link #delta}}
     *
     * @param value it
     */
    public Tuning withDelta(double value) {
        return new Tuning(retainWeight, forgetWeight, beta, value, learningRate, steering, block, damping, tuneSteps, beta2,
                slack, dualRate);
    }

    /**
     * {@return the same with another {@link #learningRate}}
     *
     * @param value it
     */
    public Tuning withLearningRate(double value) {
        return new Tuning(retainWeight, forgetWeight, beta, delta, value, steering, block, damping, tuneSteps, beta2,
                slack, dualRate);
    }

    /**
     * {@return the same with another {@link #steering}}
     *
     * @param value it
     */
    public Tuning withSteering(double value) {
        return new Tuning(retainWeight, forgetWeight, beta, delta, learningRate, value, block, damping, tuneSteps, beta2,
                slack, dualRate);
    }

    /**
     * {@return the same with another {@link #block}}
     *
     * @param value it
     */
    public Tuning withBlock(int value) {
        return new Tuning(retainWeight, forgetWeight, beta, delta, learningRate, steering, value, damping, tuneSteps, beta2,
                slack, dualRate);
    }

    /**
     * {@return the same with another {@link #damping}}
     *
     * @param value it
     */
    public Tuning withDamping(double value) {
        return new Tuning(retainWeight, forgetWeight, beta, delta, learningRate, steering, block, value, tuneSteps, beta2,
                slack, dualRate);
    }

    /**
     * {@return the same with another {@link #tuneSteps}}
     *
     * @param value it
     */
    public Tuning withTuneSteps(int value) {
        return new Tuning(retainWeight, forgetWeight, beta, delta, learningRate, steering, block, damping, value, beta2,
                slack, dualRate);
    }

    /**
     * {@return the same with another {@link #beta2}}
     *
     * @param value it
     */
    public Tuning withBeta2(double value) {
        return new Tuning(retainWeight, forgetWeight, beta, delta, learningRate, steering, block, damping, tuneSteps, value,
                slack, dualRate);
    }

    /**
     * {@return the same with another {@link #slack}}
     *
     * @param value it
     */
    public Tuning withSlack(double value) {
        return new Tuning(retainWeight, forgetWeight, beta, delta, learningRate, steering, block, damping, tuneSteps, beta2,
                value, dualRate);
    }

    /**
     * {@return the same with another {@link #dualRate}}
     *
     * @param value it
     */
    public Tuning withDualRate(double value) {
        return new Tuning(retainWeight, forgetWeight, beta, delta, learningRate, steering, block, damping, tuneSteps, beta2,
                slack, value);
    }
}
