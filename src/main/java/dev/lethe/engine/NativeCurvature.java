package dev.lethe.engine;

import dev.lethe.bindings.LetheNative;
import dev.lethe.bindings.lethe_curvature;
import dev.lethe.engine.OwnedMemory.CancelFlag;
import dev.lethe.engine.OwnedMemory.Scratch;
import dev.lethe.engine.OwnedMemory.SiteMask;
import dev.lethe.shape.Site;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** Curvature products of one model, with the reused native arguments for them. */
final class NativeCurvature {
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
