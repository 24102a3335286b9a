/*
 * One product of the Hessian (variant hvp) or the Gauss-Newton matrix (ggn) of a batch's loss with a vector. The vector is
 * the weights themselves with the signs of its tables turned. Peer: bench/python/curvature.py.
 */
package dev.lethe.bench;

import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Curvature;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.engine.ParameterVector;
import dev.lethe.model.Checkpoint;
import dev.lethe.shape.Dtype;
import java.util.Map;
import java.util.Set;

final class CurvatureCase implements Case {
    private static final int CHUNK = 1 << 22;

    private final LanguageModel model;
    private final Batch batch;
    private final ParameterVector direction;
    private final ParameterVector product;
    private final Curvature asked;

    CurvatureCase(Setup setup) {
        model = Checkpoint.load(setup.engine(), setup.model(), Dtype.F32);
        batch = Examples.batch(Examples.read(setup.examples()));
        direction = model.buffer(Buffer.PARAMETERS).copy();
        for (TensorInfo tensor : model.tensors()) {
            if (Set.of("wte.weight", "wpe.weight", "embed_tokens.weight").contains(tensor.name())) {
                negate(tensor);
            }
        }
        product = model.vector();
        asked = Curvature.product(setup.variant().equals("ggn") ? Curvature.Matrix.GAUSS_NEWTON : Curvature.Matrix.HESSIAN,
                direction, product);
    }

    private void negate(TensorInfo tensor) {
        for (long from = 0; from < tensor.count(); from += CHUNK) {
            float[] part = direction.readFloats(tensor.offset() + from, (int) Math.min(CHUNK, tensor.count() - from));
            for (int i = 0; i < part.length; i++) {
                part[i] = -part[i];
            }
            direction.writeFloats(tensor.offset() + from, part);
        }
    }

    @Override
    public Map<String, Long> run() {
        model.curvature(batch, asked);
        return Map.of();
    }

    @Override
    public void result(Results out) {
        run();
        out.add(model, product, null, "");
    }

    @Override
    public void close() {
        product.close();
        direction.close();
        model.close();
    }
}
