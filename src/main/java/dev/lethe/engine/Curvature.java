package dev.lethe.engine;

import dev.lethe.bindings.LetheNative;
import dev.lethe.bindings.lethe_curvature;
import dev.lethe.engine.OwnedMemory.CancelFlag;
import dev.lethe.engine.OwnedMemory.Scratch;
import dev.lethe.engine.OwnedMemory.SiteMask;
import dev.lethe.shape.Site;
import dev.lethe.shape.SiteSet;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
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

    /** Curvature products of one model, with the reused native arguments for them. */
    static final class NativeCurvature {
        private final MemorySegment model;
        private final NativeCalls calls;
        private final CancelFlag cancel;
        private final NativeBatch nativeBatch;
        private final SiteMask mask;
        private final MemorySegment struct;
        private final Scratch directions; // [K] addresses
        private final Scratch products;   // [K] addresses
        private final Scratch quadratic;  // [B, K]
        private final Scratch losses;     // [B]

        NativeCurvature(OwnedMemory memory, MemorySegment model, List<Site> sites, NativeCalls calls, CancelFlag cancel) {
            this.model = model;
            this.calls = calls;
            this.cancel = cancel;
            nativeBatch = new NativeBatch(memory);
            mask = new SiteMask(memory, sites);
            struct = lethe_curvature.allocate(memory.arena());
            lethe_curvature.struct_size(struct, lethe_curvature.sizeof());
            directions = new Scratch(memory);
            products = new Scratch(memory);
            quadratic = new Scratch(memory);
            losses = new Scratch(memory);
        }

        Curvature.Result run(Batch batch, Curvature asked) {
            batch.requireTargets("curvature");
            int records = batch.records();
            int count = asked.directions().size();
            MemorySegment forms = asked.quadratic() ? quadratic.doubles((long) records * count) : MemorySegment.NULL;
            MemorySegment out = losses.doubles(records);
            lethe_curvature.kind(struct, switch (asked.matrix()) {
                case HESSIAN -> LetheNative.LETHE_HESSIAN();
                case GAUSS_NEWTON -> LetheNative.LETHE_GAUSS_NEWTON();
            });
            lethe_curvature.accumulate(struct, asked.accumulate() ? 1 : 0);
            lethe_curvature.count(struct, count);
            lethe_curvature.directions(struct, addresses(directions, asked.directions()));
            lethe_curvature.products(struct, asked.products().isEmpty() ? MemorySegment.NULL
                    : addresses(products, asked.products()));
            lethe_curvature.sites(struct, mask.of(asked.sites()));
            lethe_curvature.quadratic(struct, forms);
            MemorySegment in = nativeBatch.fill(batch);
            calls.done("curvature", LetheNative.lethe_model_curvature(model, in, struct, out, cancel.lowered(),
                    calls.begin()));
            double[][] values = new double[asked.quadratic() ? records : 0][count];
            for (int b = 0; b < values.length; b++) {
                values[b] = Scratch.read(forms, (long) b * count * Double.BYTES, count);
            }
            return new Curvature.Result(Scratch.read(out, 0, records), values);
        }

        private static MemorySegment addresses(Scratch scratch, List<ParameterVector> vectors) {
            MemorySegment block = scratch.atLeast((long) vectors.size() * Long.BYTES);
            for (int k = 0; k < vectors.size(); k++) {
                block.setAtIndex(ValueLayout.ADDRESS, k, vectors.get(k).handle());
            }
            return block;
        }
    }
}
