/*
 * Constrained entropic unlearning (Entesari et al. 2025, PDU, arXiv 2506.05314; as OpenUnlearning has it): descends
 *
 *     gamma mean_t (max_v z_t,v - mean_v z_t,v)^2 + alpha_k (L(retain) - epsilon),
 *     alpha_k+1 = max(0, alpha_k + rate (L(retain) - epsilon)) after each step,
 *
 * z the logits where the forget batch's target tokens are predicted (OpenUnlearning's mask lies one position later, at
 * the tokens themselves): flat predictions, under a bound on the retain loss whose price alpha rises while it is broken.
 * epsilon is the retain loss before the erasure and a slack; there is no warm-up, in which OpenUnlearning's alpha rests.
 */
package dev.lethe.objective;

import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
import dev.lethe.text.Example;
import java.util.Arrays;
import java.util.List;

public final class PrimalDual implements Objective {
    private final LanguageModel model;
    private final Tuning tuning;
    private final double most; // epsilon
    private double price;      // alpha_k

    /** @param most the retain loss that is allowed, nats a token */
    public PrimalDual(LanguageModel model, Tuning tuning, double most) {
        this.model = model;
        this.tuning = tuning;
        this.most = most;
        this.price = tuning.retainWeight();
    }

    @Override
    public double gradient(List<Example> forget, List<Example> retain) {
        double[] weights = Arrays.stream(WeightedLoss.shares(forget)).map(share -> tuning.forgetWeight() * share).toArray();
        double[] margins = model.distances().flatGradient(WeightedLoss.batch(forget, weights), false);
        double value = 0;
        for (int b = 0; b < weights.length; b++) {
            value += weights[b] * margins[b];
        }
        double[] shares = WeightedLoss.shares(retain);
        double loss = 0;
        if (price > 0) {
            double[] priced = Arrays.stream(shares).map(share -> price * share).toArray();
            loss = mean(shares, model.gradient(WeightedLoss.batch(retain, priced), true, null));
        } else {
            loss = mean(shares, WeightedLoss.losses(model, retain));
        }
        value += price * (loss - most);
        price = Math.max(0, price + tuning.dualRate() * (loss - most));
        return value;
    }

    private static double mean(double[] shares, double[] losses) {
        double sum = 0;
        for (int b = 0; b < shares.length; b++) {
            sum += shares[b] * losses[b];
        }
        return sum;
    }

    @Override
    public boolean usesRetain() {
        return true;
    }
}
