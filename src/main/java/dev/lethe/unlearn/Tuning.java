package dev.lethe.unlearn;

import java.util.ArrayList;
import java.util.List;

/**
 * The numbers of particular strategies; each uses some (docs/strategies.md) and ignores the rest. Immutable.
 *
 * @param retainWeight alpha: of the retain records' term in an objective
 * @param forgetWeight gamma: of the forget records' term
 * @param beta         inverse temperature of npo and simnpo
 * @param delta        margin of simnpo, nats a token
 * @param learningRate AdamW's peak in an objective and in the task vector's fine-tuning; 0 = half of the training's, of an
 *                     adapter all of it
 * @param steering     c: length of rmu's random direction, in units of the hidden state
 * @param block        block whose output rmu steers, counted from 0; -1 = the middle one
 * @param damping      lambda of gauss-newton; 0 = a tenth of the mean eigenvalue of each block
 * @param tuneSteps    steps of the task vector's fine-tuning
 */
public record Tuning(double retainWeight, double forgetWeight, double beta, double delta, double learningRate,
                     double steering, int block, double damping, int tuneSteps) {

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
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("; ", problems));
        }
    }

    private static void require(List<String> problems, boolean holds, String name, Object value, String allowed) {
        if (!holds) {
            problems.add(name + " is " + value + ", allowed: " + allowed);
        }
    }

    /** The strategy's own numbers, OpenUnlearning's (arXiv 2506.12618) where it has them. */
    public static Tuning of(Strategy strategy) {
        Tuning plain = new Tuning(1, 1, 1, 0, 0, 20, -1, 0, 30);
        return switch (strategy) {
            case NPO -> plain.withBeta(0.1);
            case SIMNPO -> plain.withBeta(4.5).withForgetWeight(0.125);
            default -> plain;
        };
    }

    public Tuning withRetainWeight(double value) {
        return new Tuning(value, forgetWeight, beta, delta, learningRate, steering, block, damping, tuneSteps);
    }

    public Tuning withForgetWeight(double value) {
        return new Tuning(retainWeight, value, beta, delta, learningRate, steering, block, damping, tuneSteps);
    }

    public Tuning withBeta(double value) {
        return new Tuning(retainWeight, forgetWeight, value, delta, learningRate, steering, block, damping, tuneSteps);
    }

    public Tuning withDelta(double value) {
        return new Tuning(retainWeight, forgetWeight, beta, value, learningRate, steering, block, damping, tuneSteps);
    }

    public Tuning withLearningRate(double value) {
        return new Tuning(retainWeight, forgetWeight, beta, delta, value, steering, block, damping, tuneSteps);
    }

    public Tuning withSteering(double value) {
        return new Tuning(retainWeight, forgetWeight, beta, delta, learningRate, value, block, damping, tuneSteps);
    }

    public Tuning withBlock(int value) {
        return new Tuning(retainWeight, forgetWeight, beta, delta, learningRate, steering, value, damping, tuneSteps);
    }

    public Tuning withDamping(double value) {
        return new Tuning(retainWeight, forgetWeight, beta, delta, learningRate, steering, block, value, tuneSteps);
    }

    public Tuning withTuneSteps(int value) {
        return new Tuning(retainWeight, forgetWeight, beta, delta, learningRate, steering, block, damping, value);
    }
}
