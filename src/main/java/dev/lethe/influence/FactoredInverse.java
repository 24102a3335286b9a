package dev.lethe.influence;

import dev.lethe.engine.KroneckerFactors;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;

/**
 * (F + shift I)^-1 g_q with EK-FAC factors of the Fisher matrix (George et al. 2018; for influence Grosse et al. 2023,
 * arXiv 2308.03296): the {@code ekfac} score. Confined to the model's thread.
 */
public final class FactoredInverse implements InfluenceQuery.QueryVector {
    private static final double RELATIVE = 0.1; // Grosse et al.: of the mean eigenvalue of each block
    private static final int BATCH = 16;

    private final LanguageModel model;
    private final KroneckerFactors factors;
    private final double damping;

    /**
     * @param factors closed with this
     * @param damping shift of every block; NaN = a tenth of the mean of each block's eigenvalues
     */
    public FactoredInverse(LanguageModel model, KroneckerFactors factors, double damping) {
        this.model = model;
        this.factors = factors;
        this.damping = damping;
    }

    @Override
    public ParameterVector of(InfluenceQuery query) {
        ParameterVector vector = QueryBlock.gradient(model, query.examples(), BATCH);
        try {
            boolean relative = Double.isNaN(damping);
            factors.apply(relative ? 0 : damping, relative ? RELATIVE : 0, -1, vector, vector);
            return vector;
        } catch (Throwable e) {
            vector.close();
            throw e;
        }
    }

    @Override
    public void close() {
        factors.close();
    }
}
