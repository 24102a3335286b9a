package dev.lethe.engine;

import java.util.ArrayList;
import java.util.List;

/**
 * Options of one AdamW step (Loshchilov and Hutter 2019), as torch.optim.AdamW after clip_grad_norm_.
 *
 * @param learningRate &ge; 0
 * @param beta1        decay of the first moment, [0, 1)
 * @param beta2        decay of the second moment, [0, 1)
 * @param epsilon      &gt; 0
 * @param weightDecay  decoupled, &ge; 0; applied to matrices, not to biases and norms
 * @param maxNorm      the gradient is scaled down to this global L2 norm; 0 = no clipping
 */
public record AdamW(double learningRate, double beta1, double beta2, double epsilon, double weightDecay,
        double maxNorm) {

    /** @throws IllegalArgumentException listing every value that is out of range */
    public AdamW {
        List<String> problems = new ArrayList<>();
        atLeastZero(problems, "learning rate", learningRate);
        decay(problems, "beta1", beta1);
        decay(problems, "beta2", beta2);
        if (!(epsilon > 0 && Double.isFinite(epsilon))) {
            problems.add("epsilon " + epsilon + " is not above 0");
        }
        atLeastZero(problems, "weight decay", weightDecay);
        atLeastZero(problems, "max norm", maxNorm);
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException("AdamW: " + String.join("; ", problems));
        }
    }

    /** Learning rate 5e-5, betas 0.9 and 0.999, epsilon 1e-8, weight decay 0.01, gradient norm at most 1. */
    public static AdamW defaults() {
        return new AdamW(5e-5, 0.9, 0.999, 1e-8, 0.01, 1.0);
    }

    /** The same options at another learning rate. */
    public AdamW withLearningRate(double rate) {
        return new AdamW(rate, beta1, beta2, epsilon, weightDecay, maxNorm);
    }

    private static void atLeastZero(List<String> problems, String name, double value) {
        if (!(value >= 0 && Double.isFinite(value))) {
            problems.add(name + " " + value + " is not a number at or above 0");
        }
    }

    private static void decay(List<String> problems, String name, double value) {
        if (!(value >= 0 && value < 1)) {
            problems.add(name + " " + value + " is not in [0, 1)");
        }
    }
}
