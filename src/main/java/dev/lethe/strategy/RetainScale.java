/*
 * How much the retain records mind a move, parameter by parameter: the root of the mean square of a few batches' gradients,
 * Adam's second moment (Kingma and Ba 2015, arXiv 1412.6980) and the diagonal of an empirical Fisher matrix. A direction
 * divided by it goes where retain records look least, as selective synaptic dampening goes (Foster et al. 2024, arXiv
 * 2308.07707). Every root is raised by the root mean square over the moved parameters, so that none is divided by nothing.
 */
package dev.lethe.strategy;

import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.Work;
import dev.lethe.shape.SiteSet;
import dev.lethe.text.Example;
import dev.lethe.train.FineTune.BatchCycle;
import dev.lethe.train.SharedModel;
import java.util.List;

final class RetainScale implements AutoCloseable {
    private final SiteSet sites;
    private final ParameterVector square;
    private final double floor;

    /** Computes the gradients of {@code batches} batches at the weights of now; {@code sites} are those that move. */
    RetainScale(SharedModel shared, List<Example> retain, int batchSize, int batches, SiteSet sites, long seed) {
        LanguageModel model = shared.model();
        this.sites = sites;
        this.square = model.vector();
        BatchCycle cycle = new BatchCycle(retain, batchSize, seed);
        ParameterVector gradient = model.buffer(Buffer.GRADIENT);
        try {
            gradient.random(ParameterVector.Distribution.RADEMACHER, seed);
            double parameters = gradient.dot(gradient, sites); // every one is a one, a tied table counts once
            double sum = 0;
            for (int i = 0; i < batches; i++) {
                Work.check(Method.INTERRUPTED);
                shared.gradient(retain, cycle.nextIndices());
                square.addSquare(1, 1.0 / batches, gradient);
                sum += gradient.dot(gradient, sites);
            }
            this.floor = Math.sqrt(sum / batches / parameters);
        } catch (RuntimeException e) {
            square.close();
            throw e;
        }
    }

    /** Divides a direction by it. Where retain records have no gradient at all it stays as it is. */
    void apply(ParameterVector direction) {
        if (floor > 0) {
            direction.divideByRoot(square, floor, sites);
        }
    }

    @Override
    public void close() {
        square.close();
    }
}
