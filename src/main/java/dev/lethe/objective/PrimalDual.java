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

import static dev.lethe.settings.Parameter.DUAL_RATE;

import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
import dev.lethe.text.Example;
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
        this.price = retainWeight();
    }

    @Override
    public double gradient(List<Example> forget, List<Example> retain) {
        double[] weights = WeightedLoss.shares(forget, forgetWeight());
        double value = WeightedLoss.sum(0, weights,
                model.distances().flatGradient(WeightedLoss.batch(forget, weights), false));
        double[] losses = price > 0
                ? model.gradient(WeightedLoss.batch(retain, WeightedLoss.shares(retain, price)), true, null)
                : WeightedLoss.losses(model, retain);
        double loss = WeightedLoss.sum(0, WeightedLoss.shares(retain), losses);
        value += price * (loss - most);
        price = Math.max(0, price + tuning.get(DUAL_RATE) * (loss - most));
        return value;
    }

    @Override
    public Tuning tuning() {
        return tuning;
    }

    @Override
    public boolean usesRetain() {
        return true;
    }
}
