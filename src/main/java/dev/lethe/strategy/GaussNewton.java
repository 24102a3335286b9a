/*
 * Gauss-Newton steps uphill (McKinney et al. 2026, K-FADE, arXiv 2602.10568): the direction
 *
 *     D = (C + lambda)^-1 grad L(forget)
 *
 * with C the Gauss-Newton matrix of the retain records' loss, as EK-FAC factors over targets drawn from the model, taken
 * once, or the empirical Fisher matrix that the ledger's entries of them give without a pass; and the gradient at the weights
 * of now. It is the step that raises the forget loss most for a given change of the model's outputs on the retain records.
 * Leaves out the paper's matrices over two distributions: C is of retain alone.
 */
package dev.lethe.strategy;

import dev.lethe.engine.KroneckerFactors;
import dev.lethe.engine.KroneckerFactors.Fisher;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.influence.FactorFit;
import dev.lethe.objective.EraseData;
import dev.lethe.shape.SiteSet;
import dev.lethe.train.SharedModel;

final class GaussNewton implements Ascent.AscentDirection, AutoCloseable {
    private static final double RELATIVE = 0.1; // of the mean eigenvalue of each block, Grosse et al. 2023
    private static final int BATCH = 8;

    private final FreshDirection gradient;
    private final KroneckerFactors factors;
    private final double damping;
    private final int records;

    /** @param factors of the retain records, which this closes */
    GaussNewton(SharedModel shared, EraseData data, KroneckerFactors factors, double damping) {
        this.gradient = new FreshDirection(shared, data.forget());
        this.damping = damping;
        this.records = data.forget().size();
        this.factors = factors;
    }

    /** Factors of at most {@code sample} of the retain records at the weights of now. */
    static KroneckerFactors passes(LanguageModel model, SiteSet sites, EraseData data, int sample, long seed) {
        return new FactorFit(new FactorFit.Options(sites, Fisher.SAMPLED, true, sample, BATCH, seed), FactorFit.Listener.NONE)
                .fit(model, data.retain());
    }

    @Override
    public void compute(ParameterVector out) {
        gradient.compute(out);
        factors.apply(damping, damping > 0 ? 0 : RELATIVE, -1, out, out);
    }

    @Override
    public boolean followsWeights() {
        return true;
    }

    @Override
    public double unit() {
        return 1.0 / records;
    }

    @Override
    public void close() {
        factors.close();
    }
}
