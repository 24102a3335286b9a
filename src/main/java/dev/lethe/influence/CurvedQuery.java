/*
 * What the ledger is multiplied with when a score knows curvature: H g_q, or (C + damping I)^-1 g_q by conjugate gradients
 * or LiSSA. The curvature is that of a sample of records' mean loss at the model's present weights, over the sites that
 * count; a tied table counts whole. The inverse has the sign that makes a helpful record's score positive, as dot does:
 * minus Koh and Liang's I_up,loss (2017, eq. 2).
 */
package dev.lethe.influence;

import dev.lethe.data.BatchPlan;
import dev.lethe.data.Example;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Curvature.Matrix;
import dev.lethe.engine.Distribution;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.SiteSet;
import dev.lethe.solve.ConjugateGradient;
import dev.lethe.solve.Eigenpair;
import dev.lethe.solve.LinearOperator;
import dev.lethe.solve.Lissa;
import dev.lethe.solve.PowerIteration;
import dev.lethe.solve.SampledOperator;
import dev.lethe.solve.Solution;
import dev.lethe.solve.SolverListener;
import dev.lethe.solve.Stop;
import java.util.ArrayList;
import java.util.List;

/** Makes {@link QueryVector}s of one curvature. Confined to the model's thread; owns nothing. */
public final class CurvedQuery {
    private static final int BATCH = 16;
    private static final double SHARE = 0.01;  // of the largest eigenvalue, as damping
    private static final int SAMPLES = 3;      // of C, whose largest eigenvalues set LiSSA's scale
    private static final double MARGIN = 1.5;  // over those, for the samples not looked at
    private static final long SEED = 1;

    private final LanguageModel model;
    private final SiteSet sites;
    private final CurvatureOptions options;
    private final List<Batch> batches;
    private double damping = Double.NaN;
    private double scale = Double.NaN;

    /**
     * @param sites   that count; null = all
     * @param records whose mean loss curves, shuffled if LiSSA is to sample them
     */
    public CurvedQuery(LanguageModel model, SiteSet sites, List<Example> records, CurvatureOptions options) {
        if (records.isEmpty()) throw new IllegalArgumentException("curvature needs at least one record");
        this.model = model;
        this.sites = sites == null ? model.sites("all") : QueryForm.whole(model, sites);
        this.options = options;
        batches = new ArrayList<>();
        for (int from = 0; from < records.size(); from += BATCH) {
            int[] indices = java.util.stream.IntStream.range(from, Math.min(records.size(), from + BATCH)).toArray();
            batches.add(BatchPlan.batch(records, indices));
        }
    }

    /** H g_q, whatever the options' matrix. */
    public QueryVector product() {
        CurvatureOperator hessian = new CurvatureOperator(model, Matrix.HESSIAN, batches, sites);
        return query -> {
            try (ParameterVector gradient = gradient(query)) {
                ParameterVector product = gradient.zeros();
                hessian.apply(gradient, product);
                return product;
            }
        };
    }

    /** (C + damping I)^-1 g_q by conjugate gradients; throws NotConvergedException, naming what to try. */
    public QueryVector conjugateGradient() {
        CurvatureOperator curvature = new CurvatureOperator(model, options.matrix(), batches, sites);
        return query -> {
            ConjugateGradient solver = new ConjugateGradient(new ConjugateGradient.Options(damping(curvature),
                    options.tolerance(), options.maxIterations()), null, SolverListener.NONE);
            try (ParameterVector gradient = gradient(query)) {
                return solver.solve(curvature, gradient).x();
            }
        };
    }

    /**
     * (C + damping I)^-1 g_q by LiSSA. Samples differ, so it ends at its depth as a rule: that solution is taken, and its
     * residual is logged; one that diverges throws NotConvergedException.
     */
    public QueryVector lissa() {
        CurvatureOperator curvature = new CurvatureOperator(model, options.matrix(), batches, sites);
        SampledOperator samples = curvature.sampled();
        return query -> {
            Lissa solver = new Lissa(new Lissa.Options(damping(curvature), scale(curvature, samples),
                    options.maxIterations(), 1, options.tolerance()), SolverListener.NONE);
            try (ParameterVector gradient = gradient(query)) {
                Solution solution = solver.attempt(samples, gradient);
                if (solution.stop() == Stop.DIVERGED) {
                    solution.close();
                    return solver.solve(samples, gradient).x(); // the same samples: throws, saying why
                }
                if (!solution.converged())
                    System.getLogger("dev.lethe.influence").log(System.Logger.Level.INFO, "LiSSA, query {0}: relative"
                            + " residual {1} after {2} samples", query.name(), solution.residual(), solution.iterations());
                return solution.x();
            }
        };
    }

    private ParameterVector gradient(InfluenceQuery query) {
        ParameterVector gradient = QueryBlock.gradient(model, query.examples(), BATCH);
        gradient.keep(sites);
        return gradient;
    }

    /** As asked for, or from the largest eigenvalue; found once. */
    private double damping(CurvatureOperator curvature) {
        if (Double.isNaN(damping))
            damping = Double.isNaN(options.damping()) ? SHARE * largest(curvature) : options.damping();
        return damping;
    }

    private double scale(CurvatureOperator curvature, SampledOperator samples) {
        if (Double.isNaN(scale)) {
            double most = 0;
            for (int draw = 0; draw < Math.min(SAMPLES, batches.size()); draw++) {
                int fixed = draw;
                most = Math.max(most, largest((in, out) -> samples.apply(fixed, in, out)));
            }
            scale = MARGIN * (most + damping(curvature)) / 2;
        }
        return scale;
    }

    /** About the largest eigenvalue by magnitude. */
    private double largest(LinearOperator operator) {
        try (ParameterVector start = model.vector()) {
            start.random(Distribution.NORMAL, SEED);
            start.keep(sites);
            try (Eigenpair pair = new PowerIteration(0.1, 20, SolverListener.NONE).attempt(operator, start)) {
                return Math.abs(pair.value());
            }
        }
    }
}
