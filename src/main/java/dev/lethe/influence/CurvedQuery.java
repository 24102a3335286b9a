/*
 * What the ledger is multiplied with when a score knows curvature: H g_q, or (C + damping I)^-1 g_q by conjugate gradients.
 * The curvature is that of a sample of records' mean loss at the model's present weights, over the sites that
 * count; a tied table counts whole. The inverse has the sign that makes a helpful record's score positive, as dot does:
 * minus Koh and Liang's I_up,loss (2017, eq. 2).
 */
package dev.lethe.influence;

import dev.lethe.engine.Batch;
import dev.lethe.engine.Curvature;
import dev.lethe.engine.Curvature.Matrix;
import dev.lethe.engine.KroneckerFactors;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.influence.ConjugateGradient.EarlyStop;
import dev.lethe.influence.ConjugateGradient.Solution;
import dev.lethe.influence.InfluenceQuery.QueryVector;
import dev.lethe.influence.LinearOperator.PowerIteration;
import dev.lethe.influence.LinearOperator.PowerIteration.Eigenpair;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.shape.SiteSet;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;

/** Makes {@link QueryVector}s of one curvature. Confined to the model's thread; owns nothing. */
public final class CurvedQuery {
    private static final int BATCH = 16;
    private static final double SHARE = 0.01;  // of the largest eigenvalue, as damping
    private static final double BEFORE = 4;    // times C's damping: of what goes before, which misses what blocks share
    private static final double RELATIVE = 0.1; // Grosse et al.: of the mean eigenvalue of each block
    private static final long SEED = 1;

    private final LanguageModel model;
    private final SiteSet sites;
    private final CurvatureOptions options;
    private final List<Batch> batches;
    private final Consumer<String> told;
    private double damping = Double.NaN;

    /**
     * @param sites   that count; null = all
     * @param records whose mean loss curves, shuffled: the first ones stand for them where C's scale is sought
     * @param told    hears in a sentence how a solve ended
     */
    public CurvedQuery(LanguageModel model, SiteSet sites, List<Example> records, CurvatureOptions options,
            Consumer<String> told) {
        if (records.isEmpty()) throw new IllegalArgumentException("curvature needs at least one record");
        this.model = model;
        this.sites = sites == null ? model.sites("all") : QueryForm.whole(model, sites);
        this.options = options;
        this.told = told;
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

    /**
     * (C + damping I)^-1 g_q by conjugate gradients; throws NotConvergedException, naming what to try.
     *
     * @param factors whose damped inverse goes before, over at least the sites; closed with the vector; null = none;
     *                undamped ones may have no inverse and are left out
     * @param first   the records that an iterate ranks first: a solve ends when they stand; null = at its residual alone
     */
    public QueryVector conjugateGradient(KroneckerFactors factors, Function<ParameterVector, Set<RecordKey>> first) {
        CurvatureOperator curvature = new CurvatureOperator(model, options.matrix(), batches, sites);
        return new QueryVector() {
            @Override
            public ParameterVector of(InfluenceQuery query) {
                double lambda = damping(curvature);
                ConjugateGradient solver = new ConjugateGradient(
                        new ConjugateGradient.Options(lambda, options.tolerance(), options.maxIterations()),
                        factors == null || lambda == 0 ? null : FactorFit.inverse(factors, BEFORE * lambda, 0),
                        first == null ? EarlyStop.NEVER : new StableRanking(first));
                try (ParameterVector gradient = gradient(query)) {
                    return solved(query, solver.solve(curvature, gradient));
                }
            }

            @Override
            public void close() {
                if (factors != null) factors.close();
            }
        };
    }

    /**
     * (F + shift I)^-1 g_q with EK-FAC factors of the Fisher matrix (George et al. 2018; for influence Grosse et al.
     * 2023, arXiv 2308.03296): the {@code ekfac} score.
     *
     * @param factors closed with the vector
     * @param damping shift of every block; NaN = a tenth of the mean of each block's eigenvalues
     */
    public static QueryVector factored(LanguageModel model, KroneckerFactors factors, double damping) {
        return new QueryVector() {
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
        };
    }

    private ParameterVector solved(InfluenceQuery query, Solution solution) {
        told.accept(String.format(Locale.ROOT, "%s: %s, residual %.2g after %d iterations, damping %.3g", query.name(),
                switch (solution.stop()) {
                    case SETTLED -> "the first records stand";
                    case CONVERGED -> "solved";
                    default -> "taken as it is";
                }, solution.residual(), solution.iterations(), damping));
        return solution.x();
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

    /** Of C: its direction is sought on the first batch, where a product costs little, and on all from there on. */
    private double largest(CurvatureOperator curvature) {
        CurvatureOperator few = new CurvatureOperator(model, options.matrix(), batches.subList(0, 1), sites);
        try (ParameterVector start = start(); Eigenpair near = power(few, start);
                Eigenpair pair = power(curvature, near.vector())) {
            return Math.abs(pair.value());
        }
    }

    private static Eigenpair power(CurvatureOperator operator, ParameterVector start) {
        return new PowerIteration(0.1, 20).attempt(operator, start);
    }

    private ParameterVector start() {
        ParameterVector start = model.vector();
        start.random(ParameterVector.Distribution.NORMAL, SEED);
        start.keep(sites);
        return start;
    }

    /**
     * How the scores that know curvature see it.
     *
     * @param matrix        C: the Hessian, or the Gauss-Newton matrix, which never is indefinite
     * @param damping       lambda of (C + lambda I)^-1; NaN = a hundredth of C's largest eigenvalue, found by power iteration
     * @param tolerance     relative residual at which a solver ends
     * @param maxIterations of conjugate gradients
     */
    public record CurvatureOptions(Matrix matrix, double damping, double tolerance, int maxIterations) {
        public CurvatureOptions {
            if (!Double.isNaN(damping) && !(damping >= 0 && Double.isFinite(damping)))
                throw new IllegalArgumentException("damping is " + damping + ", must be 0 or more");
            if (!(tolerance > 0 && tolerance < 1))
                throw new IllegalArgumentException("tolerance is " + tolerance + ", must be between 0 and 1");
            if (maxIterations < 1)
                throw new IllegalArgumentException("iterations is " + maxIterations + ", must be at least 1");
        }

        /** Gauss-Newton, damping chosen by the spectrum, 1 % residual. */
        public static CurvatureOptions defaults() {
            return new CurvatureOptions(Matrix.GAUSS_NEWTON, Double.NaN, 0.01, 300);
        }
    }

    /**
     * The same records come first in several looks in a row. Of one solve; confined to the model's thread.
     * Ends a solver once what it is asked for stands: which records come first. An iterate is a query's vector like any
     * other, so that a look at what it ranks first is one pass over the ledger.
     *
     */
    static final class StableRanking implements EarlyStop {
        private static final double LOOSE = 0.2; // residual above which nobody looks
        private static final int AGREE = 3;      // looks in a row

        private final Function<ParameterVector, Set<RecordKey>> first;
        private Set<RecordKey> last = Set.of();
        private int same;

        /** @param first the records that a vector ranks first */
        StableRanking(Function<ParameterVector, Set<RecordKey>> first) {
            this.first = first;
        }

        @Override
        public boolean enough(int iteration, double residual, ParameterVector x) {
            if (residual > LOOSE) {
                same = 0;
                return false;
            }
            Set<RecordKey> now = first.apply(x);
            same = same > 0 && now.equals(last) ? same + 1 : 1;
            last = now;
            return same == AGREE;
        }
    }

    /**
     * The Hessian or Gauss-Newton matrix of a data set's mean loss at the model's present weights, C = 1/N sum over its N
     * records of C_i, as an operator over the solvers' vectors: one product streams over the batches, and its memory is that
     * of the largest batch. Restricted to some sites it is C's block over them, and zero on every other tensor.
     *
     * <p>Holds the model and owns nothing. Each use reads the weights of that moment; the thread is the model's. Formulas:
     * Pearlmutter 1994, "Fast exact multiplication by the Hessian"; Schraudolph 2002, "Fast curvature matrix-vector products
     * for second-order gradient descent".
     */
    public static final class CurvatureOperator implements LinearOperator {
        private final LanguageModel model;
        private final Curvature.Matrix matrix;
        private final List<Batch> batches; // weights 1/N each
        private final SiteSet sites;

        /**
         * @param batches ragged batches with targets; every record counts the same, whatever the batches' weights
         * @param sites   the block wanted; null = all. See {@link Curvature} for a tied table
         */
        public CurvatureOperator(LanguageModel model, Curvature.Matrix matrix, List<Batch> batches, SiteSet sites) {
            this.model = Objects.requireNonNull(model, "model");
            this.matrix = Objects.requireNonNull(matrix, "matrix");
            this.sites = sites;
            if (batches.isEmpty()) {
                throw new IllegalArgumentException("curvature: no batch");
            }
            int records = batches.stream().mapToInt(Batch::records).sum();
            this.batches = batches.stream().map(batch -> weighted(batch, 1.0 / records)).toList();
        }

        /** out = C in. */
        @Override
        public void apply(ParameterVector in, ParameterVector out) {
            apply(List.of(in), List.of(out));
        }

        /** out[k] = C in[k] for all k in one pass over the records; the vectors are distinct. */
        public void apply(List<ParameterVector> in, List<ParameterVector> out) {
            boolean accumulate = false;
            for (Batch batch : batches) {
                model.curvature(batch, new Curvature(matrix, in, out, accumulate, sites, false));
                accumulate = true;
            }
        }

        private static Batch weighted(Batch batch, double weight) {
            double[] weights = new double[batch.records()];
            Arrays.fill(weights, weight);
            return batch.withWeights(weights);
        }
    }
}
