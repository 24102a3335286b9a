package dev.lethe.engine;

import dev.lethe.shape.SiteSet;
import java.util.List;
import java.util.Objects;

/**
 * What {@link LanguageModel#curvature} is asked for: products of a curvature matrix C with K vectors at once, which share
 * the work on the values themselves.
 *
 * @param matrix     which C
 * @param directions v_k, [K]
 * @param products   where sum over b of weight[b] C_b v_k goes, [K], distinct and none of them a direction; empty when
 *                   only quadratic forms are wanted, which cost less
 * @param accumulate whether to add to the products instead of overwriting them
 * @param sites      C's block over these sites: v counts as zero elsewhere and products are zero there; only that block's
 *                   work is done. null = all. A tied table is two sites, wte for its use as embedding and lm_head for its
 *                   use as head; its whole block needs both
 * @param quadratic  whether v_k' C_b v_k of each record is wanted
 */
public record Curvature(Matrix matrix, List<ParameterVector> directions, List<ParameterVector> products,
                        boolean accumulate, SiteSet sites, boolean quadratic) {

    /** Which second-order matrix of a record's mean loss L, z its logits as functions of the parameters. */
    public enum Matrix {
        /** d²L, indefinite in general; by the R-operator (Pearlmutter 1994). */
        HESSIAN,
        /** J' (d²L / dz²) J with J = dz / d parameters, positive semi-definite (Schraudolph 2002). */
        GAUSS_NEWTON
    }

    public Curvature {
        Objects.requireNonNull(matrix, "matrix");
        directions = List.copyOf(directions);
        products = List.copyOf(products);
        if (directions.isEmpty()) {
            throw new IllegalArgumentException("curvature: no direction");
        }
        if (!products.isEmpty() && products.size() != directions.size()) {
            throw new IllegalArgumentException("curvature: " + products.size() + " products for " + directions.size()
                    + " directions");
        }
        if (products.isEmpty() && !quadratic) {
            throw new IllegalArgumentException("curvature: neither products nor quadratic forms are asked for");
        }
    }

    /** One product over all sites, overwritten. */
    public static Curvature product(Matrix matrix, ParameterVector direction, ParameterVector product) {
        return new Curvature(matrix, List.of(direction), List.of(product), false, null, false);
    }

    /** Quadratic forms of several directions alone, over some sites (null = all). */
    public static Curvature forms(Matrix matrix, List<ParameterVector> directions, SiteSet sites) {
        return new Curvature(matrix, directions, List.of(), false, sites, true);
    }

    /**
     * What came of it beside the products.
     *
     * @param losses    mean loss of each record, [B]
     * @param quadratic v_k' C_b v_k of each record's own mean loss whatever its weight, [B][K]; empty when not asked for
     */
    public record Result(double[] losses, double[][] quadratic) {}
}
