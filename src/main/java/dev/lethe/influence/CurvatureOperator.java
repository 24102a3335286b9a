package dev.lethe.influence;

import dev.lethe.engine.Batch;
import dev.lethe.engine.Curvature;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.shape.SiteSet;
import dev.lethe.solve.LinearOperator;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * The Hessian or Gauss-Newton matrix of a data set's mean loss at the model's present weights, C = 1/N sum over its N
 * records of C_i, as an operator over the solvers' vectors: one product streams over the batches, and its memory is that
 * of the largest batch. Restricted to some sites it is C's block over them, and zero on every other tensor.
 *
 * <p>Holds the model and owns nothing. Each use reads the weights of that moment; the thread is the model's. Formulas:
 * Pearlmutter 1994, "Fast exact multiplication by the Hessian"; Schraudolph 2002, "Fast curvature matrix-vector products
 * for second-order gradient descent".
 */
public final class CurvatureOperator implements LinearOperator {
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
